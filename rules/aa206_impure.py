"""AA206 impure

## What it does
Runs the composition again after others have run, and once more right after, on the same tensors: the
results must be those of the first call, and the caller's tensors stay as they were.

## Why is this bad
The second batch, or the next composition, gets other results than the first.

## Example
A mask that is replicated in place with `Tensor.set_` is longer after the call than before.

## Fix
Replicate into a new tensor.
"""

from __future__ import annotations

from collections.abc import Iterator

from adapter_audit.auditor.facts.facts import Facts
from adapter_audit.auditor.schema.result import Confidence, Finding, Location, Severity, Verdict

from ._support.values import amount, place_of
from .base import AuditRule, Case


class Impure(AuditRule):
    """A call leaves something behind."""

    id, name, invariant = "AA206", "impure", "purity"
    severity, confidence, verdict = Severity.ERROR, Confidence.CONFIRMED, Verdict.WRONG
    requires = "probe"
    cases = (
        Case(
            bad=True,
            spec={
                "model": "adapter_audit.auditor.toys.broken:writes_into_mask",
                "compose": "parallel(a,b)",
                "mask": "right",
            },
        ),
        Case(
            bad=True,
            spec={
                "model": "adapter_audit.auditor.toys.broken:drifts_from_call_to_call",
                "compose": "parallel(a,b)",
            },
        ),
        Case(
            bad=False,
            spec={"model": "adapter_audit.auditor.toys:bert", "compose": "parallel(a,b)", "mask": "right"},
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        """One finding for each thing that changed."""
        for item in facts.discrepancies("purity"):
            text = f"{item.subject} is changed by the call"
            if item.subject.startswith("a "):
                text = f"{item.subject} gives another result ({amount(item)})"
            there = Location(module="", op=item.output or "output")
            yield self.finding(text, place_of(facts, item) if item.departure else there, axis=item.subject)
