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
from adapter_audit.auditor.probe.checks.call_purity import Call, InputWritten, ResultDrift
from adapter_audit.auditor.schema.result import (
    Cause,
    Confidence,
    Finding,
    Invariant,
    Location,
    Severity,
    Verdict,
)

from ._support.values import amount, place_of, stopped
from .base import AuditRule, Case

CALLS = {Call.LATER: "a later call", Call.NEXT: "a second call in a row"}


class Impure(AuditRule):
    """A call leaves something behind."""

    id, name, invariant = "AA206", "impure", Invariant.PURITY
    severity, confidence, verdict = Severity.ERROR, Confidence.CONFIRMED, Verdict.WRONG
    requires = "probe"
    reads = (ResultDrift, InputWritten)
    cases = (
        Case(
            bad=True,
            place="toys/broken.py",
            code="mask.mul_(2)",
            says="the caller's attention_mask is changed",
            verdict=Verdict.WRONG,
            also=("AA201", "AA209"),
            spec={
                "model": "adapter_audit.auditor.toys.broken:writes_into_mask",
                "compose": "parallel(a,b)",
                "mask": "right",
            },
        ),
        Case(
            bad=True,
            code="last_hidden_state",
            says="a second call in a row gives another result (off by 0.1 ",
            verdict=Verdict.WRONG,
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
        for drift in facts.observations(ResultDrift):
            words = stopped(drift.failure) if drift.failure is not None else amount(drift)
            yield self.finding(
                f"{CALLS[drift.call]} gives another result ({words})",
                Location(module="", op=drift.output or "output"),
                cause=Cause.RESULT_DRIFTS,
                axis=f"call: {drift.call.value}",
            )
        for written in facts.observations(InputWritten):
            yield self.finding(
                f"the caller's {written.input} is changed by the call",
                place_of(facts, written) if written.departure else Location(module="", op=written.input),
                cause=Cause.INPUT_WRITTEN,
                axis=f"the caller's {written.input}",
            )
