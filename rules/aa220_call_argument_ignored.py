"""AA220 call-argument-ignored

## What it does
Reports a composition that is told to the library in the call, such as `adapter_names` of a mixed batch, where
nothing reads it: the call is, to the last bit, the call without it.

## Why is this bad
Every row is computed with whatever adapter is active. Nothing fails, and names that no adapter has go
through, too.

## Example
`adapter-audit bert-base-uncased --library peft --compose 'mixed(a,b)' --adapter ia3`: only LoRA and a few
other tuners of peft know mixed batches.

## Fix
Run the adapters one after the other, each on its rows, or take a tuner that knows mixed batches. The primary
location is the line that lets go of the argument.
"""

from __future__ import annotations

from collections.abc import Iterator

from adapter_audit.auditor.facts.facts import Facts
from adapter_audit.auditor.probe.checks.call_arguments import IgnoredArgument, UnknownName
from adapter_audit.auditor.schema.result import (
    Cause,
    Confidence,
    Evidence,
    Finding,
    Invariant,
    Severity,
    Verdict,
)

from ._support.remedies import one_by_one
from ._support.values import off, place_of
from .base import AuditRule, Case


class CallArgumentIgnored(AuditRule):
    """What the call says of its rows is dropped."""

    id, name, invariant = "AA220", "call-argument-ignored", Invariant.LANES
    severity, confidence, verdict = Severity.ERROR, Confidence.CONFIRMED, Verdict.WRONG
    requires = "probe"
    reads = (IgnoredArgument,)
    cases = (
        Case(
            bad=True,
            place="peft/peft_model.py",
            code="if k not in self.special_peft_forward_args",
            says="`adapter_names` is ignored: a row is off by",
            verdict=Verdict.WRONG,
            spec={
                "model": "adapter_audit.auditor.toys:bert",
                "library": "peft",
                "compose": "mixed(a,b)",
                "adapter": "ia3",
            },
        ),
        Case(
            bad=False,
            spec={
                "model": "adapter_audit.auditor.toys:bert",
                "library": "peft",
                "compose": "mixed(a,b)",
                "adapter": "lora",
            },
            release=">=0.17",
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        """One finding for each argument."""
        unknown = next(facts.observations(UnknownName), None)
        for item in facts.observations(IgnoredArgument):
            place = place_of(facts, item)
            too = "; a name that no adapter has goes through, too" if unknown else ""
            yield self.finding(
                f"`{item.argument}` is ignored: a row is {off(item.deviation)} from its adapter alone{too}",
                place,
                cause=Cause.ARGUMENT_IGNORED,
                axis=f"argument: {item.argument}",
                evidence=[Evidence(text=f"the call lets go of `{item.argument}` here", location=place)],
                fixes=one_by_one(facts),
            )
