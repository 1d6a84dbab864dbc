"""SARIF: the official schema, and what code scanning demands beyond it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import report_samples as samples

from adapter_audit.auditor.schema.result import AuditResult, Finding, fingerprint
from adapter_audit.reports.report import ReportOptions, render

SCHEMA = json.loads((Path(__file__).parent / "data" / "sarif-2.1.0-rtm.5.json").read_text(encoding="utf-8"))
DECLARED = ReportOptions(declared_at=("train/setup adapters.py", 12))


def log(results: list[AuditResult], options: ReportOptions = DECLARED) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(render("sarif", results, options))
    jsonschema.Draft4Validator(SCHEMA).validate(data)
    return data


def hashes(results: list[AuditResult]) -> list[str]:
    return [r["partialFingerprints"]["primaryLocationLineHash"] for r in log(results)["runs"][0]["results"]]


def locations(value: object) -> Iterator[dict[str, Any]]:
    """Every location object in the document, wherever it is."""
    if isinstance(value, dict):
        if "physicalLocation" in value or "logicalLocations" in value:
            yield value
        for item in value.values():
            yield from locations(item)
    elif isinstance(value, list):
        for item in value:
            yield from locations(item)


@pytest.mark.parametrize("name", ["crash", "silent", "clean", "hostile"])
@pytest.mark.parametrize("options", [DECLARED, ReportOptions(), ReportOptions(show_source=False)])
def test_the_official_schema_holds(name: str, options: ReportOptions) -> None:
    log([getattr(samples, name)()], options)


def test_the_official_schema_holds_for_none_and_many() -> None:
    log([])
    log(samples.matrix(4, 4))


def test_the_schema_check_can_fail() -> None:
    data = log([samples.crash()])
    data["runs"][0]["results"][0]["level"] = "fatal"
    assert not jsonschema.Draft4Validator(SCHEMA).is_valid(data)


@pytest.mark.parametrize("options", [DECLARED, ReportOptions()])
@pytest.mark.parametrize("name", ["crash", "silent", "hostile"])
def test_every_location_has_a_relative_file_and_a_line(name: str, options: ReportOptions) -> None:
    found = list(locations(log([getattr(samples, name)()], options)))
    assert found
    for location in found:
        uri = location["physicalLocation"]["artifactLocation"]["uri"]
        assert uri
        assert not uri.startswith("/")
        assert ":" not in uri
        assert location["physicalLocation"]["region"]["startLine"] >= 1


def test_a_finding_without_any_place_still_has_a_location() -> None:
    crash = samples.crash()
    bare = crash.findings[0].model_copy(update={"primary": type(crash.findings[0].primary)(), "related": ()})
    result = log([crash.model_copy(update={"findings": (bare,)})], ReportOptions())["runs"][0]["results"][0]
    assert len(result["locations"]) == 1


def test_the_declaring_line_is_the_primary_location() -> None:
    for result in log([samples.crash()])["runs"][0]["results"]:
        (location,) = result["locations"]
        assert location["physicalLocation"]["artifactLocation"] == {"uri": "train/setup%20adapters.py"}
        assert location["physicalLocation"]["region"]["startLine"] == 12
        assert location["logicalLocations"][0]["fullyQualifiedName"]


def test_library_places_are_told_in_the_message_and_the_flow() -> None:
    result = log([samples.crash()])["runs"][0]["results"][0]
    assert "adapters/models/t5/modeling_t5.py:172 scores += position_bias_masked" in result["message"]["text"]
    steps = result["codeFlows"][0]["threadFlows"][0]["locations"]
    texts = [step["location"]["message"]["text"] for step in steps]
    assert [("163" in texts[0]), ("302" in texts[1]), ("172" in texts[2])] == [True] * 3


def test_two_findings_on_one_declaring_line_keep_their_own_fingerprints() -> None:
    first, second = hashes([samples.crash()])
    assert first != second


def test_the_same_finding_twice_is_counted() -> None:
    found = hashes([samples.crash(), samples.crash()])
    assert len(set(found)) == 4
    assert found[0].split(":")[0] == found[2].split(":")[0]


def moved(finding: Finding, by: int) -> Finding:
    def move(place: Any) -> Any:
        return place.model_copy(update={"line": place.line + by})

    return finding.model_copy(
        update={"primary": move(finding.primary), "related": tuple(move(p) for p in finding.related)}
    )


def test_a_fingerprint_stays_when_lines_above_move() -> None:
    crash = samples.crash()
    later = crash.model_copy(update={"findings": tuple(moved(f, 40) for f in crash.findings)})
    options = ReportOptions(declared_at=("train.py", 99))
    runs = json.loads(render("sarif", [later], options))["runs"]
    assert [r["partialFingerprints"]["primaryLocationLineHash"] for r in runs[0]["results"]] == hashes(
        [crash]
    )


def test_a_fingerprint_stays_when_the_model_grows_a_layer() -> None:
    at = {
        n: fingerprint("AA101", f"encoder.block.{n}.layer.0.SelfAttention", "aten.add_.Tensor", "batch")
        for n in (1, 2)
    }
    assert at[1] == at[2] == samples.crash().findings[0].fingerprint
    other = fingerprint("AA101", "decoder.block.1.layer.0.SelfAttention", "aten.add_.Tensor", "batch")
    assert other != at[1]


def test_hidden_findings_are_suppressed_not_dropped() -> None:
    crash = samples.crash()
    ignored = crash.findings[0].model_copy(update={"status": "ignored", "status_reason": "upstream knows"})
    results = log([crash.model_copy(update={"findings": (ignored, crash.findings[1])})])["runs"][0]["results"]
    assert results[0]["suppressions"] == [{"kind": "external", "justification": "ignored: upstream knows"}]
    assert "suppressions" not in results[1]


def test_what_was_not_decided_is_a_notification() -> None:
    (invocation,) = log([samples.crash()])["runs"][0]["invocations"]
    texts = [note["message"]["text"] for note in invocation["toolExecutionNotifications"]]
    assert any("decoder.final_layer_norm" in text for text in texts)
    assert any("AA301 not run" in text for text in texts)


def test_hostile_text_makes_no_link() -> None:
    text = render("sarif", [samples.hostile()], DECLARED)
    assert text.isascii()
    for result in json.loads(text)["runs"][0]["results"]:
        assert "](" not in result["message"]["text"]
        assert "\\u202e" in result["message"]["text"], "spelled out, not the character itself"
