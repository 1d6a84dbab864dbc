"""The last row, alone in the batch, gives what it gives among others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...facts.observations import OutputGap
from ...schema.composition import BY_ROWS, walk
from ..value_check import NotApplicable, ValueCheck

if TYPE_CHECKING:
    from ..measuring_bench import MeasuringBench


@dataclass(frozen=True, kw_only=True)
class SingleRowGap(OutputGap):
    """An output of a row changes when the row is alone in the batch."""


class SingleRow(ValueCheck):
    """See the module's docstring."""

    name, order = "single_rows", 150
    yields = (SingleRowGap,)

    def observe(self, bench: MeasuringBench) -> Iterator[SingleRowGap]:
        """At most one."""
        bound = any(block.kind in BY_ROWS for block in walk(bench.tree))
        if bench.spec.mode not in ("forward", "train") or bound or bench.rows == 1:
            raise NotApplicable
        if bench.spec.mask not in ("none", "full"):
            raise NotApplicable  # alone, it would have other padding
        last = (bench.rows - 1,)
        output, amount = bench.gap_on(bench.inputs_of(last), last)
        if amount > bench.tolerance:
            yield SingleRowGap(output=output, deviation=amount)
