"""Rows of every lane and every batch part are what their reference gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...facts.observations import OutputGap
from ...schema.composition import adapter_names, as_block, lane_count
from ..value_check import NotApplicable, ValueCheck

if TYPE_CHECKING:
    from ..measuring_bench import MeasuringBench


@dataclass(frozen=True, kw_only=True)
class LaneGap(OutputGap):
    """A lane's rows are not what its adapters give alone."""

    lane: int
    adapters: tuple[str, ...]
    rows: int
    """Rows that the output has; zero where there is no such output."""
    expected_rows: int


class LaneParity(ValueCheck):
    """See the module's docstring."""

    name, order = "lanes", 10
    yields = (LaneGap,)

    def observe(self, bench: MeasuringBench) -> Iterator[LaneGap]:
        """One gap for each reference that differs."""
        ran = bench.composed()
        if bench.ignored:
            raise NotApplicable  # nothing is composed: `call_arguments` says so
        if len(bench.references) == 1 and as_block(bench.references[0].tree) == bench.tree:
            raise NotApplicable
        for reference in bench.references:
            expected = bench.reference(reference)
            if expected.failure is not None:
                continue
            output, amount = bench.row_gap(ran, expected, reference)
            if amount > bench.tolerance:
                made = ran.outputs.get(output)
                yield LaneGap(
                    lane=reference.lane,
                    adapters=adapter_names(reference.tree),
                    output=output,
                    deviation=amount,
                    rows=made.shape[0] if made is not None else 0,
                    expected_rows=bench.rows * lane_count(bench.tree),
                    departure=bench.first_departure(reference),
                )
