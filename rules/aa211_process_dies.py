"""AA211 process-dies

## What it does
Reports a composition that ends the process (a signal, or no end within the time bound) instead of raising
an exception. The probe runs in a child process for this.

## Why is this bad
Nothing can be caught, logged or saved, and memory may be corrupted before.

## Example
`adapter-audit facebook/bart-base --compose parallel:2` with adapters 1.0.0: `Tensor.set_` on an expanded
tensor, "double free or corruption".

## Fix
Replicate into a new tensor instead of `set_`; until then run the adapters one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator

from adapter_audit.auditor.facts.facts import Facts
from adapter_audit.auditor.facts.observations import Ending, ProcessDeath
from adapter_audit.auditor.schema.result import (
    Cause,
    Confidence,
    Finding,
    Invariant,
    Location,
    Related,
    Severity,
    Verdict,
)

from ._support.remedies import one_by_one
from .base import AuditRule, Case


class ProcessDies(AuditRule):
    """The child process of the probe died."""

    id, name, invariant = "AA211", "process-dies", Invariant.LANES
    severity, confidence, verdict = Severity.ERROR, Confidence.CONFIRMED, Verdict.ABORT
    requires = "probe"
    reads = (ProcessDeath,)
    cases = (
        Case(
            bad=True,
            place="encoder.layer.1.output.LayerNorm",
            code="hidden_states = layer_norm(hidden_states + residual_input)",
            says="it was ended by SIGABRT",
            verdict=Verdict.ABORT,
            spec={"model": "adapter_audit.auditor.toys.broken:kills_the_process", "compose": "parallel:2"},
        ),
        Case(bad=False, spec={"model": "adapter_audit.auditor.toys:bert", "compose": "parallel:2"}),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        """The probe has no result of its own."""
        for death in facts.observations(ProcessDeath):
            last = facts.place(death.site, death.module)
            swap = _swapped_memory(facts)
            yield self.finding(
                f"running the composition killed the process: {death}"
                + ("; a tensor's memory is exchanged in place (set_), and others share it" if swap else ""),
                swap or last,
                cause=Cause.PROCESS_DIED,
                related=[Related(role="symptom", **last.model_dump())] if swap and last.file else [],
                verdict=Verdict.UNKNOWN if death.ending is Ending.TIME else None,
                fixes=one_by_one(facts),
            )


def _swapped_memory(facts: Facts) -> Location | None:
    """Where model code replaces a tensor's memory under its views: what corrupts it."""
    if facts.static is None:
        return None
    swaps = (r for r in facts.static.trace.records if r.key.op.startswith("aten.set_.") and r.site.file)
    found = next(swaps, None)
    return facts.location(found) if found is not None else None
