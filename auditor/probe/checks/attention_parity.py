"""The other attention implementation gives the same, where the model without adapters does so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...facts.observations import OutputGap
from ...schema.composition import lane_count
from ..value_check import NotApplicable, ValueCheck

if TYPE_CHECKING:
    from ..bench import Ran
    from ..measuring_bench import MeasuringBench

WEIGHTS = "output_attentions"
"""Asked for with this argument of a forward, they are computed eagerly by classes that know one way only."""


@dataclass(frozen=True, kw_only=True)
class AttentionGap(OutputGap):
    """The composition's answers depend on how attention is computed."""

    implementation: str
    """`eager`, `sdpa`, or `output_attentions` for what a request for the weights brings about."""


class AttentionParity(ValueCheck):
    """See the module's docstring."""

    name, order = "attention", 120
    yields = (AttentionGap,)

    def observe(self, bench: MeasuringBench) -> Iterator[AttentionGap]:
        """At most one."""
        if bench.spec.mode != "forward" or WEIGHTS in bench.inputs:
            raise NotApplicable
        here = bench.composed()
        with bench.other_attention(WEIGHTS) as (implementation, run):
            alike = _gap(bench, bench.known(None), run(None), 1)[1] <= bench.tolerance
            if not alike and not _was_alike(bench):
                raise NotApplicable  # the model itself: nothing that an adapter could be held to
            there = run(bench.tree)
            if there.failure is not None:
                raise NotApplicable  # another path than the audited one: `--attn` asks for it
            output, amount = _gap(bench, here, there, lane_count(bench.tree))
        if amount > bench.tolerance:
            yield AttentionGap(implementation=implementation, output=output, deviation=amount)


def _was_alike(bench: MeasuringBench) -> bool:
    """Whether the model gave the same with both before it was prepared; it has been switched by now."""
    ran = bench.bare_with_this_attention()
    return ran is not None and _gap(bench, bench.bare(), ran, 1)[1] <= bench.tolerance


def _gap(bench: MeasuringBench, here: Ran, there: Ran, lanes: int) -> tuple[str, float]:
    if here.failure is not None or there.failure is not None:
        return "", float("inf")
    return bench.lanes_gap(here, there, lanes)
