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

from adapter_audit.auditor.facts.facts import Facts
from adapter_audit.auditor.facts.observations import Observation, OutputGap
from adapter_audit.auditor.probe.checks.lane_isolation import LaneLeak
from adapter_audit.auditor.probe.checks.lane_parity import LaneGap
from adapter_audit.auditor.probe.checks.loss_parity import LossGap
from adapter_audit.auditor.schema.result import (
    Cause,
    Confidence,
    Evidence,
    Finding,
    Invariant,
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

    id, name, invariant = "AA201", "lane-departs", Invariant.LANES
    severity, confidence, verdict = Severity.ERROR, Confidence.CONFIRMED, Verdict.WRONG
    requires = "probe"
    reads = (LaneGap, LossGap, LaneLeak)
    cases = (
        Case(
            bad=True,
            place="encoder.layer.1",
            code="rows = torch.arange(states.shape[0]",
            says="of a, b is not what the adapter gives alone (off by",
            verdict=Verdict.WRONG,
            also=("AA209",),
            spec={"model": "adapter_audit.auditor.toys.broken:shifts_states", "compose": "parallel:2"},
        ),
        Case(
            bad=True,
            place="model.encoder.layers.0.self_attn",
            code="return tensor.view(bsz, seq_len, self.num_heads",
            says="a reshape written for the caller's B rows mixes the lanes",
            verdict=Verdict.WRONG,
            also=("AA103", "AA211"),
            spec={"model": "adapter_audit.auditor.toys:bart", "compose": "parallel:2", "mask": "none"},
            release="<1.0.1",
        ),
        Case(
            bad=True,
            place="encoder.layer.0.attention.attention",
            code="key_layer = self.key(hidden_states).view(*new_shape)",
            says="a reshape written for the caller's B rows mixes the lanes",
            verdict=Verdict.WRONG,
            also=("AA209",),
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
        groups: dict[object, list[OutputGap]] = {}
        for item in facts.observations(LaneGap, LossGap, LaneLeak):
            groups.setdefault(item.departure and item.departure.site, []).append(item)
        for items in groups.values():
            yield self._report(facts, items)

    def _report(self, facts: Facts, items: list[OutputGap]) -> Finding:
        worst = max(items, key=lambda i: i.deviation)
        lanes = sorted({i.lane for i in items if isinstance(i, (LaneGap, LaneLeak))})
        who = ", ".join(dict.fromkeys(map(_subject, items)))
        departs = place_of(facts, worst)
        leak = _leak_before(facts, worst)
        chain = [Evidence(text="the first op whose value departs from its twin", location=departs)]
        if leak is not None:
            chain.insert(0, Evidence(text="the lanes leave the batch axis here", location=leak))
        return self.finding(
            f"{worst.output} of {who} is not what the adapter gives alone ({_words(worst)})"
            + ("; a reshape written for the caller's B rows mixes the lanes" if leak else ""),
            leak or departs,
            cause=Cause.LANE_DEPARTS,
            axis=f"lanes: {(leak or departs).code}",
            lanes=lanes,
            related=[Related(role="symptom", **departs.model_dump())] if leak else [],
            evidence=chain,
            shapes={"output": worst.output},
            fixes=one_by_one(facts),
        )


def _subject(item: OutputGap) -> str:
    if not isinstance(item, (LaneGap, LaneLeak)):
        return "the loss"
    head = item.head if isinstance(item, LaneGap) else ""
    return "+".join(item.adapters) + (f" with head {head}" if head and head not in item.adapters else "")


def _words(item: OutputGap) -> str:
    """How far off, or what shows that it is."""
    if isinstance(item, LossGap):
        return f"{item.loss:.4g} instead of {item.expected:.4g}, {item.meaning}"
    if isinstance(item, LaneLeak):
        off = f"{item.deviation:.2g} of the largest value"
        return f"it changes by {off} with {item.other}, which is not in it"
    if isinstance(item, LaneGap) and item.rows not in (0, item.expected_rows):
        return f"{item.rows} rows instead of {item.expected_rows}"
    return amount(item)


def _leak_before(facts: Facts, item: Observation) -> Location | None:
    """A reshape through which lanes leaked on the way to the departing op."""
    departure = item.departure
    if departure is None or departure.index is None or facts.static is None:
        return None
    roots = facts.static.graph.leak_roots([departure.index])
    return facts.location(roots[0]) if roots else None
