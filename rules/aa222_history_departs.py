"""AA222 history-departs

## What it does
Goes through a history of the adapters (`--then merge --then unmerge`, switching, disabling, an error in a
call, saving and loading, taking the adapters out) and compares the model after every step with the adapters
that must act then. The first step after which it is another model is reported.

## Why is this bad
What a model computes then depends on what was done to it before, and nothing says so: a merged model is not
the trained one, or a call is mixed as another one was that failed.

## Example
`adapter-audit bert-base-uncased --library peft --compose 'active(a,b)' --adapter oft --then merge`: with
peft 0.21.2 two merged OFT adapters are not the two active ones.

## Fix
Leave the step out, do it with one adapter only, or build the model anew. The primary location is the
function that does the step's work for the first module that differs.
"""

from __future__ import annotations

from collections.abc import Iterator

from adapter_audit.auditor.facts.facts import Facts
from adapter_audit.auditor.facts.stop_causes import cause_of
from adapter_audit.auditor.probe.checks.history_parity import HistoryGap, HistoryStop, StrangerAccepted
from adapter_audit.auditor.schema.result import (
    Cause,
    Confidence,
    Finding,
    Invariant,
    Location,
    Severity,
    Verdict,
)

from ._support.values import amount, place_of
from .base import AuditRule, Case


class HistoryDeparts(AuditRule):
    """A step leaves another model behind."""

    id, name, invariant = "AA222", "history-departs", Invariant.HISTORY
    severity, confidence, verdict = Severity.ERROR, Confidence.CONFIRMED, Verdict.WRONG
    requires = "probe"
    reads = (HistoryGap, HistoryStop, StrangerAccepted)
    cases = (
        Case(
            bad=True,
            place="peft/tuners/oft/layer.py",
            code="def merge(self",
            says="after step 1, merge, last_hidden_state is not that of active(a,b) (off by",
            verdict=Verdict.WRONG,
            spec={
                "model": "adapter_audit.auditor.toys:bert",
                "library": "peft",
                "history": ["merge"],
                "compose": "active(a,b)",
                "adapter": "oft[r=0,oft_block_size=8]",
            },
            release=">=0.17",
        ),
        Case(
            bad=False,
            spec={
                "model": "adapter_audit.auditor.toys:bert",
                "library": "peft",
                "history": ["merge"],
                "compose": "active(a,b)",
                "adapter": "lora",
            },
        ),
        Case(
            bad=False,
            spec={
                "model": "adapter_audit.auditor.toys:bert",
                "library": "peft",
                "history": ["merge"],
                "compose": "active(a)",
                "adapter": "oft[r=0,oft_block_size=8]",
            },
            release=">=0.17",
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        """At most one finding: that of the first step after which something is wrong."""
        for gap in facts.observations(HistoryGap):
            what = f"that of {gap.expected}" if gap.expected else "that of the model without adapters"
            yield self.finding(
                f"after step {gap.number}, {gap.step}, {gap.output} is not {what} ({amount(gap)})",
                place_of(facts, gap),
                cause=Cause.STEP_LEAVES_TRACES,
                axis=f"step: {gap.step}",
            )
        for stop in facts.observations(HistoryStop):
            failure = stop.failure
            yield self.finding(
                f"step {stop.number}, {stop.step}, stops: {failure.kind}: {failure.message.strip()}",
                facts.place(failure.site, failure.module),
                cause=cause_of(failure),
                axis=f"step: {stop.step}",
                verdict=Verdict.REFUSED if failure.deliberate else Verdict.CRASH,
            )
        for odd in facts.observations(StrangerAccepted):
            names = " and ".join(odd.names)
            yield self.finding(
                f"step {odd.number}, {odd.step}, goes through, though no adapter is called {names}",
                Location(module="", op=odd.step),
                cause=Cause.STRANGER_ACCEPTED,
                axis=f"step: {odd.step}",
            )
