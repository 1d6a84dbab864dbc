"""AA201 lane-departs

## What it does
Reports rows of the output that are not what their adapter gives alone: lane i of a `Parallel` against
adapter i, the rows of a `BatchSplit` or `MultiTask` part against that child on these rows.

## Why is this bad
Nothing fails, the shapes are right, and the numbers are those of no adapter, or of another one.

## Example
`adapter-audit facebook/bart-base --compose parallel:2` with adapters 1.0.0: a reshape mixes the lanes.

## Fix
Look at the first op that departs (the primary location). Until it is mended, run the adapters one after
the other.
"""

from __future__ import annotations

from collections.abc import Iterator

from adapter_audit.auditor.facts.facts import Discrepancy, Facts
from adapter_audit.auditor.schema.result import (
    Confidence,
    Evidence,
    Finding,
    Location,
    Related,
    Severity,
    Verdict,
)

from ._support.remedies import one_by_one
from ._support.values import amount, place_of
from .base import AuditRule, Case


class LaneDeparts(AuditRule):
    """A lane is not its adapter."""

    id, name, invariant = "AA201", "lane-departs", "lanes"
    severity, confidence, verdict = Severity.ERROR, Confidence.CONFIRMED, Verdict.WRONG
    requires = "probe"
    cases = (
        Case(
            bad=True,
            spec={"model": "adapter_audit.auditor.toys.broken:shifts_states", "compose": "parallel:2"},
        ),
        Case(
            bad=True,
            spec={"model": "adapter_audit.auditor.toys:bart", "compose": "parallel:2", "mask": "none"},
            release="<1.0.1",
        ),
        Case(
            bad=True,
            spec={"model": "adapter_audit.auditor.toys:vit", "compose": "parallel:2", "adapter": "ia3"},
            release=">=1.3,<1.4",
        ),
        Case(
            bad=False,
            spec={"model": "adapter_audit.auditor.toys:bart", "compose": "parallel:2"},
            release=">=1.3,<1.4",
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        """One finding for each place at which lanes depart."""
        groups: dict[object, list[Discrepancy]] = {}
        for item in facts.discrepancies("lanes"):
            groups.setdefault(item.departure and item.departure.site, []).append(item)
        for items in groups.values():
            yield self._report(facts, items)

    def _report(self, facts: Facts, items: list[Discrepancy]) -> Finding:
        worst = max(items, key=lambda i: i.deviation)
        lanes = sorted({lane for i in items for lane in i.lanes})
        who = ", ".join(dict.fromkeys(i.subject for i in items))
        departs = place_of(facts, worst)
        leak = _leak_before(facts, worst)
        chain = [Evidence(text="the first op whose value departs from its twin", location=departs)]
        if leak is not None:
            chain.insert(0, Evidence(text="the lanes leave the batch axis here", location=leak))
        return self.finding(
            f"{worst.output} of {who} is not what the adapter gives alone ({amount(worst)})"
            + ("; a reshape written for the caller's B rows mixes the lanes" if leak else ""),
            leak or departs,
            axis=f"lanes: {(leak or departs).code}",
            lanes=lanes,
            related=[Related(role="symptom", **departs.model_dump())] if leak else [],
            evidence=chain,
            shapes={"output": worst.output},
            fixes=one_by_one(facts),
        )


def _leak_before(facts: Facts, item: Discrepancy) -> Location | None:
    """A reshape through which lanes leaked on the way to the departing op."""
    departure = item.departure
    if departure is None or departure.index is None or facts.static is None:
        return None
    roots = facts.static.graph.leak_roots([departure.index])
    return facts.location(roots[0]) if roots else None
