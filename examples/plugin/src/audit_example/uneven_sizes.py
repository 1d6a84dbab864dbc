"""AA2900 uneven-sizes

## What it does
Reports adapters that have a quarter of the parameters of another adapter in the composition, or less.

## Why is this bad
Compared side by side, the larger one has an advantage that has nothing to do with what it was trained on.

## Example
```console
$ adapter-audit t5-base --compose 'parallel(a,b)' --adapter 'a=lora[r=2]' --adapter 'b=lora[r=64]'
```

## Fix
Give both the same configuration.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from adapter_audit.auditor.schema.result import Location
from adapter_audit.auditor.schema.verdicts import Cause, Confidence, Invariant, Severity
from adapter_audit.rules.base import AuditRule, Case

from .uneven_sizes_check import SmallAdapter

if TYPE_CHECKING:
    from adapter_audit.auditor.facts.facts import Facts
    from adapter_audit.auditor.schema.result import Finding

TOY = "adapter_audit.auditor.toys:bert"


class UnevenSizes(AuditRule):
    """An adapter is much smaller than another one."""

    id, name, invariant = "AA2900", "uneven-sizes", Invariant.NEUTRALITY
    severity, confidence = Severity.WARNING, Confidence.CONFIRMED
    requires = "probe"
    reads = (SmallAdapter,)
    cases = (
        Case(
            bad=True,
            place="a",
            code="adapter",
            says="adapter a has",
            severity=Severity.WARNING,
            spec={
                "model": TOY,
                "compose": "parallel(a,b)",
                "adapters": {"a": "lora[r=2]", "b": "lora[r=8]"},
            },
        ),
        Case(bad=False, spec={"model": TOY, "compose": "parallel(a,b)", "adapter": "lora[r=2]"}),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        """One finding for each of them."""
        for small in facts.observations(SmallAdapter):
            other = f"{small.largest} has {small.most}"
            yield self.finding(
                f"adapter {small.adapter} has {small.parameters} parameters, {other}",
                Location(module=small.adapter, op="adapter"),
                cause=Cause.STRENGTH_IDLE,
                axis=small.adapter,
            )
