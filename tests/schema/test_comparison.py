"""Pairs of results: which are broken, fixed, otherwise wrong, or not decided any more."""

from __future__ import annotations

import pytest

from adapter_audit.auditor.schema.comparison import Kind, Side, compared
from adapter_audit.auditor.schema.result import AuditResult, Environment, Finding, Location
from adapter_audit.auditor.schema.verdicts import Confidence, Invariant, Severity, Verdict

SIDE = Side(label="x", environment=Environment())


def result(verdict: str, *fingerprints: str, severity: Severity = Severity.ERROR) -> AuditResult:
    findings = tuple(
        Finding(
            rule="AA101",
            name="a",
            invariant=Invariant.LANES,
            severity=severity,
            confidence=Confidence.CONFIRMED,
            message=name,
            primary=Location(),
            fingerprint=name,
        )
        for name in fingerprints
    )
    return AuditResult(verdict=Verdict(verdict), spec={}, findings=findings)


@pytest.mark.parametrize(
    ("before", "after", "kind", "causes"),
    [
        (result("compatible"), result("wrong", "p"), Kind.BROKEN, ["p"]),
        (result("compatible"), result("refused", "p"), Kind.BROKEN, ["p"]),
        (result("crash", "p", "q"), result("compatible"), Kind.FIXED, ["p", "q"]),
        (result("crash", "p"), result("crash", "p", "q"), Kind.CHANGED, ["q"]),
        (result("crash", "p", "q"), result("crash", "p"), Kind.CHANGED, []),
        (result("wrong", "p"), result("crash", "p"), Kind.CHANGED, []),
        (result("wrong", "p"), result("wrong", "p"), Kind.SAME, []),
        (result("compatible"), result("compatible", "p", severity=Severity.WARNING), Kind.SAME, []),
        (result("compatible"), result("unknown"), Kind.LOST, []),
        (result("unknown"), result("compatible"), Kind.GAINED, []),
        (result("unknown"), result("unknown"), Kind.SAME, []),
    ],
)
def test_kinds(before: AuditResult, after: AuditResult, kind: Kind, causes: list[str]) -> None:
    (pair,) = compared(SIDE, SIDE, [(before, after)]).pairs
    assert (pair.kind, [f.fingerprint for f in pair.causes]) == (kind, causes)


def test_what_a_project_ignores_breaks_nothing() -> None:
    ignored = tuple(f.model_copy(update={"status": "ignored"}) for f in result("wrong", "p").findings)
    after = result("compatible").model_copy(update={"findings": ignored})
    assert compared(SIDE, SIDE, [(result("compatible"), after)]).pairs[0].kind is Kind.SAME
