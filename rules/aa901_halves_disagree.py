"""AA901 halves-disagree

## What it does
Reports that the shape trace and the execution of the small model do not agree on whether, or where, the
composition stops.

## Why is this bad
One of the two halves of the auditor is wrong about this model; the verdict follows what was executed.

## Example
An op without a meta kernel.

## Fix
Please report it with the JSON result.
"""

from __future__ import annotations

from collections.abc import Iterator

from adapter_audit.auditor.facts.facts import Facts
from adapter_audit.auditor.schema.result import Cause, Confidence, Finding, Invariant, Severity

from .base import AuditRule, Case


class HalvesDisagree(AuditRule):
    """Shapes and execution tell different stories."""

    id, name, invariant = "AA901", "halves-disagree", Invariant.AUDITOR
    severity, confidence = Severity.NOTE, Confidence.CONFIRMED
    requires = "probe"
    cases = (
        Case(
            bad=True,
            place="toys/broken.py",
            code="torch.linalg.cholesky(",
            says="the execution stops and the shape trace does not: _LinAlgError",
            severity=Severity.NOTE,
            also=("AA105",),
            spec={"model": "adapter_audit.auditor.toys.broken:fails_only_for_real", "compose": "parallel:2"},
        ),
        Case(bad=False, spec={"model": "adapter_audit.auditor.toys:bert", "compose": "parallel:2"}),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        """Compare the first stops."""
        if facts.static is None or facts.probe is None or facts.probe.death is not None:
            return
        traced = facts.static.trace.failures[0] if facts.static.trace.failures else None
        executed = facts.probe.failure
        if (traced is None) == (executed is None):
            return
        stop = executed or traced
        assert stop is not None
        who = (
            "the execution stops and the shape trace does not"
            if executed
            else "the shape trace stops, the execution does not"
        )
        yield self.finding(
            f"{who}: {stop.kind}: {stop.message}"[:300],
            facts.place(stop.site, stop.module),
            cause=Cause.HALVES_DISAGREE,
        )
