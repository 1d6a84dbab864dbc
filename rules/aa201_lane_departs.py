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

from adapter_audit.auditor.facts import Discrepancy, Facts
from adapter_audit.auditor.result import Confidence, Evidence, Finding, Severity, Verdict

from .base import AuditRule, Case
from .values import amount, place_of


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
        for item in facts.probe.discrepancies if facts.probe else ():
            if item.check == "lanes":
                groups.setdefault(item.departure and item.departure.site, []).append(item)
        for items in groups.values():
            yield self._report(facts, items)

    def _report(self, facts: Facts, items: list[Discrepancy]) -> Finding:
        worst = max(items, key=lambda i: i.deviation)
        lanes = sorted({lane for i in items for lane in i.lanes})
        who = ", ".join(dict.fromkeys(i.subject for i in items))
        place = place_of(facts, worst)
        return self.finding(
            f"{worst.output} of {who} is not what the adapter gives alone ({amount(worst)})",
            place,
            axis="lanes",
            lanes=lanes,
            evidence=[Evidence(text="the first op whose value departs from its twin", location=place)],
            shapes={"output": worst.output},
        )
