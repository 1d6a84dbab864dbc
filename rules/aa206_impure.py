"""AA206 impure

## What it does
Runs the composition twice on the same tensors, and looks whether the caller's tensors were written to.

## Why is this bad
The second batch, or the next composition, gets other results than the first.

## Example
A mask that is replicated in place with `Tensor.set_` is longer after the call than before.

## Fix
Replicate into a new tensor.
"""

from __future__ import annotations

from collections.abc import Iterator

from adapter_audit.auditor.facts import Facts
from adapter_audit.auditor.result import Confidence, Finding, Location, Severity, Verdict

from .base import AuditRule, Case
from .values import amount


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
            bad=False,
            spec={"model": "adapter_audit.auditor.toys:bert", "compose": "parallel(a,b)", "mask": "right"},
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        """One finding for each thing that changed."""
        for item in facts.probe.discrepancies if facts.probe else ():
            if item.check == "purity":
                text = f"{item.subject} is changed by the call"
                if item.subject == "a second call":
                    text = f"a second call gives another result ({amount(item)})"
                yield self.finding(text, Location(module="", op=item.output or "output"), axis=item.subject)
