"""AA204 init-changes-model

## What it does
Compares the model before and after `adapters.init`, without any active adapter.

## Why is this bad
Every result is then that of another model than the checkpoint's, adapters or not.

## Example
LLaMA with adapters 1.2.0: an extra transpose after the attention call (pull request 829).

## Fix
Look at the first op that departs, or at the keyword that is lost (the primary location), or use a release
without it.
"""

from __future__ import annotations

from collections.abc import Iterator

from adapter_audit.auditor.facts.facts import CHANGED, GAINED, LOST, Facts
from adapter_audit.auditor.schema.result import Confidence, Evidence, Finding, Severity, Verdict

from ._support.values import amount, place_of
from .base import AuditRule, Case


class InitChangesModel(AuditRule):
    """`adapters.init` alone changes the outputs."""

    id, name, invariant = "AA204", "init-changes-model", "init parity"
    severity, confidence, verdict = Severity.ERROR, Confidence.CONFIRMED, Verdict.WRONG
    requires = "probe"
    cases = (
        Case(
            bad=True,
            spec={"model": "adapter_audit.auditor.toys.broken:changed_by_init", "compose": "parallel:2"},
        ),
        Case(
            bad=True,
            spec={"model": "adapter_audit.auditor.toys:llama", "compose": "parallel:2"},
            release=">=1.1.1,<1.3",
        ),
        Case(
            bad=False,
            spec={"model": "adapter_audit.auditor.toys:llama", "compose": "parallel:2"},
            release=">=1.3,<1.4",
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        """The output without adapters differs from the bare model's."""
        for item in facts.discrepancies("init"):
            place = place_of(facts, item)
            what, more = _cause(item.departure.op if item.departure else "")
            text = f"adapters.init alone changes {item.output} ({amount(item)}), with no adapter active"
            yield self.finding(
                text + more,
                place,
                evidence=[Evidence(text=what, location=place)],
            )


def _cause(op: str) -> tuple[str, str]:
    """What the primary location is, and what there is to add to the message."""
    keyword, parameter, told = (op.partition(mark)[2] for mark in (LOST, GAINED, CHANGED))
    if keyword:
        return "a keyword is lost here", f": `{keyword}` is no longer taken here and falls into `**kwargs`"
    departs = "the first op that departs from the bare model"
    if told:
        return departs, f": in the first op that departs, {told}"
    return departs, f": {parameter} is there now, and was not before" if parameter else ""
