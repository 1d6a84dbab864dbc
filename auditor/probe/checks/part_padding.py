"""Rows of a BatchSplit or MultiTask part are the same without the other, differently padded rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...facts.observations import OutputGap
from ...schema.composition import adapter_names
from ..value_check import NotApplicable, ValueCheck

if TYPE_CHECKING:
    from ..measuring_bench import MeasuringBench


@dataclass(frozen=True, kw_only=True)
class PaddingGap(OutputGap):
    """A part's rows differ when the other rows are left out of the batch."""

    adapters: tuple[str, ...]


class PartPadding(ValueCheck):
    """See the module's docstring."""

    name, order = "padding", 130
    yields = (PaddingGap,)

    def observe(self, bench: MeasuringBench) -> Iterator[PaddingGap]:
        """The first output of the first part that differs."""
        parts = [r for r in bench.references if len(r.rows) < bench.rows]
        if not parts or "attention_mask" not in bench.inputs:
            raise NotApplicable
        for part in parts:
            whole, alone = bench.reference(part), bench.reference(part, part.rows)
            stop = next((ran for ran in (whole, alone) if ran.failure is not None), None)
            if stop is not None:
                bench.leave_open(bench.stopped(part.tree, stop))
                continue
            for output, amount in bench.part_gaps(whole, alone, part):
                if amount > bench.tolerance:
                    yield PaddingGap(adapters=adapter_names(part.tree), output=output, deviation=amount)
                    return
