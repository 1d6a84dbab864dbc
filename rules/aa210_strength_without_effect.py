"""AA210 strength-without-effect

## What it does
Doubles an adapter's `alpha` and looks whether its output changes.

## Why is this bad
Tuning `alpha` does nothing, and an adapter that was trained with another release is applied with another
strength than it was trained with.

## Example
`adapter-audit bert-base-uncased --compose parallel:2` with adapters 1.0.1 (issue 760).

## Fix
Upgrade (1.1.0 applies the scaling), or fold the factor into the weights.
"""

from __future__ import annotations

from collections.abc import Iterator

from adapter_audit.auditor.facts.facts import Facts
from adapter_audit.auditor.probe.checks.strength_effect import IdleStrength
from adapter_audit.auditor.schema.result import Cause, Confidence, Finding, Invariant, Severity

from ._support.values import place_of
from .base import AuditRule, Case


class StrengthWithoutEffect(AuditRule):
    """`alpha` has no effect."""

    id, name, invariant = "AA210", "strength-without-effect", Invariant.EFFECT
    severity, confidence = Severity.WARNING, Confidence.CONFIRMED
    requires = "probe"
    reads = (IdleStrength,)
    cases = (
        Case(
            bad=True,
            place="methods/lora.py",
            code="def forward(self, hidden_states",
            says="alpha of adapter b changes nothing",
            severity=Severity.WARNING,
            spec={"model": "adapter_audit.auditor.toys.broken:forgets_alpha", "compose": "parallel:2"},
        ),
        Case(
            bad=True,
            place="methods/lora.py",
            code="def forward(self, hidden_states",
            says="alpha of adapter b changes nothing",
            severity=Severity.WARNING,
            spec={"model": "adapter_audit.auditor.toys:bert", "compose": "parallel:2"},
            release="<1.1",
        ),
        Case(
            bad=False,
            spec={"model": "adapter_audit.auditor.toys:bert", "compose": "parallel:2"},
            release=">=1.1.1",
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        """One finding for each method."""
        for idle in facts.observations(IdleStrength):
            yield self.finding(
                f"alpha of adapter {idle.adapter} changes nothing: twice the alpha gives the same output",
                place_of(facts, idle),
                cause=Cause.STRENGTH_IDLE,
                axis="alpha",
            )
