"""Other tokens at padded positions change nothing, where they change nothing without adapters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...facts.observations import OutputGap
from ..value_check import NotApplicable, ValueCheck

if TYPE_CHECKING:
    from ..measuring_bench import MeasuringBench


@dataclass(frozen=True, kw_only=True)
class MaskedTokenGap(OutputGap):
    """An output changes with the tokens at padded positions."""


class MaskedTokens(ValueCheck):
    """See the module's docstring."""

    name, order = "masked_tokens", 140
    yields = (MaskedTokenGap,)

    def observe(self, bench: MeasuringBench) -> Iterator[MaskedTokenGap]:
        """At most one."""
        mask, ids = bench.inputs.get("attention_mask"), bench.inputs.get("input_ids")
        if mask is None or ids is None or mask.shape != ids.shape or bool(mask.all()):
            raise NotApplicable
        shifted = ids.roll(1, 1).where(mask == 0, ids)  # ordinary tokens of the row
        inputs = {**bench.inputs, "input_ids": shifted}
        output, amount = bench.gap_on(inputs, tuple(range(bench.rows)))
        if amount > bench.tolerance:
            yield MaskedTokenGap(output=output, deviation=amount)
