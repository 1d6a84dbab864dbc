"""What fails a run: findings from a severity on, and `unknown` with an exit code of its own choice."""

from __future__ import annotations

import pytest

from adapter_audit.auditor.errors import UsageError
from adapter_audit.auditor.project.fail_on import FailOn, worse
from adapter_audit.auditor.schema.result import (
    AuditResult,
    Confidence,
    Finding,
    Invariant,
    Location,
    Severity,
    Verdict,
)


def result(verdict: Verdict, severity: Severity | None = None) -> AuditResult:
    finding = Finding(
        rule="AA101",
        name="x",
        invariant=Invariant.LANES,
        severity=severity or Severity.NOTE,
        confidence=Confidence.CERTAIN,
        message="m",
        primary=Location(),
    )
    return AuditResult(verdict=verdict, spec={}, findings=(finding,) if severity else ())


UNKNOWN, WRONG = result(Verdict.UNKNOWN), result(Verdict.WRONG, Severity.ERROR)
WARNED = result(Verdict.COMPATIBLE, Severity.WARNING)


@pytest.mark.parametrize(
    ("text", "unknown", "wrong", "warned"),
    [
        ("error", 0, 1, 0),
        ("warning", 1, 1, 1),
        ("never", 0, 0, 0),
        ("unknown", 1, 1, 0),
        ("unknown=9", 9, 1, 0),
        ("warning,unknown=0", 0, 1, 1),
        ("never,unknown=7", 7, 0, 0),
    ],
)
def test_codes(text: str, unknown: int, wrong: int, warned: int) -> None:
    judge = FailOn.read(text)
    assert [judge.code(r) for r in (UNKNOWN, WRONG, WARNED)] == [unknown, wrong, warned]


@pytest.mark.parametrize(
    "text", ["", "sometimes", "error;unknown", "unknown=x", "unknown,unknown", "unknown=256"]
)
def test_what_says_nothing(text: str) -> None:
    with pytest.raises(UsageError, match="--fail-on"):
        FailOn.read(text)


def test_findings_come_before_what_is_unknown() -> None:
    assert [worse(1, 9), worse(9, 1), worse(0, 9), worse(0, 0)] == [1, 1, 9, 0]
