"""The JSON report and the published schema."""

from __future__ import annotations

import json

import jsonschema
import pytest
import report_samples as samples

from adapter_audit.auditor.schema.result import AuditResult
from adapter_audit.reports.report import ReportOptions, render
from adapter_audit.reports.schema import PUBLISHED, schema_text

SAMPLES = ("crash", "silent", "clean", "hostile")


def test_the_published_schema_is_current() -> None:
    assert PUBLISHED.read_text(encoding="utf-8") == schema_text(), (
        "run: python -m adapter_audit.reports.schema > reports/result.schema.json"
    )


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("graph", [False, True])
def test_results_fulfil_the_schema_and_come_back_whole(name: str, graph: bool) -> None:
    result: AuditResult = getattr(samples, name)()
    text = render("json", [result], ReportOptions(include_graph=graph))
    data = json.loads(text)
    validator = jsonschema.Draft202012Validator(json.loads(PUBLISHED.read_text(encoding="utf-8")))
    validator.validate(data)
    assert ("graph" in data) is graph
    expected = result if graph else result.model_copy(update={"graph": None})
    assert AuditResult.model_validate(data) == expected


def test_the_schema_refuses_what_is_no_result() -> None:
    validator = jsonschema.Draft202012Validator(json.loads(PUBLISHED.read_text(encoding="utf-8")))
    data = json.loads(render("json", [samples.crash()]))
    assert not validator.is_valid({**data, "verdict": "fine"})
    assert not validator.is_valid({**data, "verdicts": []})
    assert not validator.is_valid({k: v for k, v in data.items() if k != "verdict"})
    assert not validator.is_valid({**data, "findings": [{"rule": "AA101"}]})


def test_keys_keep_the_order_of_the_model() -> None:
    data = json.loads(render("json", [samples.crash()], ReportOptions(include_graph=True)))
    assert list(data) == list(AuditResult.model_fields)


def test_many_results_are_an_array_and_one_is_an_object() -> None:
    assert isinstance(json.loads(render("json", [samples.clean()])), dict)
    assert len(json.loads(render("json", [samples.clean(), samples.crash()]))) == 2
    assert json.loads(render("json", [])) == []


def test_hostile_text_is_kept_exactly_and_in_ascii() -> None:
    text = render("json", [samples.hostile()])
    assert text.isascii()
    assert json.loads(text)["summary"] == samples.HOSTILE
