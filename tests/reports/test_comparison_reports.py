"""Reports of a comparison: by cause, in every format, and safe with any text."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest
from report_samples import clean, crash, hostile, silent

from adapter_audit.auditor.errors import UsageError
from adapter_audit.auditor.schema.comparison import Comparison, Kind, Side, compared
from adapter_audit.auditor.schema.result import AuditResult, Environment, Verdict
from adapter_audit.reports.comparison_report import comparison_kinds, render_comparison
from adapter_audit.reports.report import ReportOptions
from adapter_audit.reports.view.comparison_view import groups

BEFORE = Side(label="adapters 1.2.0", environment=Environment(adapters="1.2.0", torch="2.13.0"))
AFTER = Side(label="adapters 1.3.0 (installed)", environment=Environment(adapters="1.3.0", torch="2.13.0"))


def lost() -> AuditResult:
    return AuditResult(verdict=Verdict.UNKNOWN, spec={"model": "m", "compose": "c"}, error="no such model")


@pytest.fixture
def comparison() -> Comparison:
    pairs = [
        (clean(), crash()),
        (clean(), crash()),
        (silent(), clean()),
        (clean(), clean()),
        (clean(), lost()),
    ]
    return compared(BEFORE, AFTER, pairs)


def test_there_are_the_formats_of_the_issue() -> None:
    assert set(comparison_kinds()) == {"terminal", "html", "markdown", "junit", "json"}
    with pytest.raises(UsageError, match="no report kind 'sarif' of a comparison"):
        render_comparison("sarif", compared(BEFORE, AFTER, []))


def test_audits_with_one_cause_are_one_group(comparison: Comparison) -> None:
    (group,) = groups(comparison, Kind.BROKEN)
    assert len(group.pairs) == 2
    assert group.reason.startswith("AA101 ")
    (gone,) = groups(comparison, Kind.LOST)
    assert gone.reason == "no such model"


@pytest.mark.parametrize("kind", ["terminal", "markdown", "html"])
def test_what_people_read(comparison: Comparison, kind: str) -> None:
    text = render_comparison(kind, comparison)
    for words in ("adapters 1.2.0", "1.3.0", "Broken", "Fixed", "no such model", "scores += position"):
        assert words.lower() in text.lower()
    hidden = render_comparison(kind, comparison, ReportOptions(show_source=False))
    assert "scores += position" not in hidden


def test_what_broke_fails_in_junit(comparison: Comparison) -> None:
    root = ET.fromstring(render_comparison("junit", comparison))
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("5", "2", "1")
    failures = root.findall(".//failure")
    assert len(failures) == 2
    assert "scores += position_bias_masked" in str(failures[0].text)
    (error,) = root.findall(".//error")
    assert error.get("message") == "no such model"


def test_json_has_both_results_of_every_audit(comparison: Comparison) -> None:
    text = render_comparison("json", comparison)
    data = json.loads(text)
    assert [pair["kind"] for pair in data["pairs"]] == ["broken", "broken", "fixed", "same", "lost"]
    assert data["before"]["environment"]["adapters"] == "1.2.0"
    assert "graph" not in data["pairs"][0]["after"]
    assert text.isascii()


@pytest.mark.parametrize("kind", comparison_kinds())
def test_any_text_is_only_text(kind: str) -> None:
    text = render_comparison(kind, compared(BEFORE, AFTER, [(clean(), hostile()), (hostile(), clean())]))
    assert "\x1b" not in text
    assert "\u202e" not in text
    if kind == "html":
        assert "<script>alert" not in text
        assert "<img" not in text
    if kind == "junit":
        ET.fromstring(text)
