"""JUnit XML."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
import report_samples as samples

from adapter_audit.auditor.schema.result import AuditResult, Verdict
from adapter_audit.reports.report import render


def suites(*results: AuditResult) -> ET.Element:
    return ET.fromstring(render("junit", results).encode())


def test_findings_fail_and_what_did_not_run_is_skipped() -> None:
    root = suites(samples.crash())
    (suite,) = root
    assert {k: suite.get(k) for k in ("tests", "failures", "errors", "skipped")} == {
        "tests": "3",
        "failures": "2",
        "errors": "0",
        "skipped": "1",
    }
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert "modeling_t5.py:172" in (failure.text or "")


def test_a_clean_audit_passes() -> None:
    (case,) = suites(samples.clean()).iter("testcase")
    assert list(case) == []


@pytest.mark.parametrize(
    ("verdict", "tag"), [("unknown", "error"), ("abort", "failure"), ("refused", "failure")]
)
def test_a_verdict_without_findings_is_not_lost(verdict: str, tag: str) -> None:
    result = samples.clean().model_copy(update={"verdict": Verdict(verdict)})
    (case,) = suites(result).iter("testcase")
    assert [child.tag for child in case] == [tag]


def test_counts_add_up_over_suites() -> None:
    root = suites(samples.crash(), samples.silent(), samples.clean())
    assert root.get("tests") == "5"
    assert root.get("failures") == "3"


def test_hostile_text_is_text() -> None:
    root = suites(samples.hostile())
    (case,) = list(root.iter("testcase"))[:1]
    failure = case.find("failure")
    assert failure is not None
    message = failure.get("message") or ""
    assert "</script><script>alert(1)</script>" in message
    assert "\\u202e" in message
    assert "\\x1b" in message
