"""AA207 gradient-departs

## What it does
In train mode, compares the gradients of every adapter's parameters with those of training it alone on
its rows.

## Why is this bad
The forward pass is right and the adapters learn something else, or nothing.

## Example
`adapter-audit bert-base-uncased --compose parallel:2 --mode train`

## Fix
Train the adapters one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator

from adapter_audit.auditor.facts import Facts
from adapter_audit.auditor.result import Confidence, Finding, Location, Severity, Verdict

from .base import AuditRule, Case
from .values import amount


class GradientDeparts(AuditRule):
    """An adapter does not get its own gradient."""

    id, name, invariant = "AA207", "gradient-departs", "lanes"
    severity, confidence, verdict = Severity.ERROR, Confidence.CONFIRMED, Verdict.WRONG
    requires = "probe"
    cases = (
        Case(
            bad=True,
            spec={
                "model": "adapter_audit.auditor.toys.broken:halves_gradients",
                "compose": "parallel:2",
                "mode": "train",
            },
        ),
        Case(
            bad=False,
            spec={"model": "adapter_audit.auditor.toys:bert", "compose": "parallel:2", "mode": "train"},
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        """The worst parameter."""
        for item in facts.probe.discrepancies if facts.probe else ():
            if item.check == "gradient":
                yield self.finding(
                    f"the gradient of {item.subject} is not that of training its adapter alone "
                    f"({amount(item)})",
                    Location(module=item.subject, op="backward"),
                    axis="gradient",
                )
