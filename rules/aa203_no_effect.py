"""AA203 no-effect

## What it does
Reports an active adapter whose parameters change nothing in the rows that it is responsible for, and (as a
warning) single modules of an adapter that take no part.

## Why is this bad
The adapter was trained and loaded for nothing: the output is the base model's.

## Example
An adapter whose `leave_out` names every layer, or a second prompt in a composition that only looks at
the first adapter.

## Fix
Check where the adapter has modules ("what is active where") and whether the composition reaches them.
"""

from __future__ import annotations

from collections.abc import Iterator

from adapter_audit.auditor.facts.facts import Facts
from adapter_audit.auditor.probe.checks.adapter_effect import IdleAdapter
from adapter_audit.auditor.probe.checks.module_effect import IdleModule
from adapter_audit.auditor.schema.result import (
    Cause,
    Confidence,
    Finding,
    Invariant,
    Location,
    Severity,
    Verdict,
)

from .base import AuditRule, Case


class NoEffect(AuditRule):
    """An adapter does nothing."""

    id, name, invariant = "AA203", "no-effect", Invariant.EFFECT
    severity, confidence, verdict = Severity.ERROR, Confidence.CONFIRMED, Verdict.NO_EFFECT
    requires = "probe"
    reads = (IdleAdapter, IdleModule)
    cases = (
        Case(
            bad=True,
            place="b",
            code="adapter",
            says="adapter b changes nothing",
            verdict=Verdict.NO_EFFECT,
            spec={
                "model": "adapter_audit.auditor.toys:bert",
                "compose": "stack(a,b)",
                "adapter": "prompt_tuning",
            },
        ),
        Case(
            bad=False,
            spec={"model": "adapter_audit.auditor.toys:bert", "compose": "parallel(a,b)", "adapter": "lora"},
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        """One finding for each adapter; a warning where only some of its modules are idle."""
        for idle in facts.observations(IdleAdapter):
            yield self.finding(
                f"adapter {idle.adapter} changes nothing: its rows "
                + ("are no finite numbers with or without it" if idle.drowned else "are the same without it"),
                Location(module=idle.adapter, op="adapter"),
                cause=Cause.ADAPTER_IDLE,
                axis=idle.adapter,
                lanes=idle.lanes,
            )
        for partly in facts.observations(IdleModule):
            first, *others = partly.modules
            more = f" (and in {len(others)} more modules)" if others else ""
            yield self.finding(
                f"adapter {partly.adapter} in {first}{more} changes nothing: "
                "its rows are the same without it",
                Location(module=first, op="adapter"),
                cause=Cause.MODULE_IDLE,
                axis=partly.adapter,
                lanes=partly.lanes,
                modules=partly.modules,
                severity=Severity.WARNING,
                verdict=Verdict.COMPATIBLE,
            )
