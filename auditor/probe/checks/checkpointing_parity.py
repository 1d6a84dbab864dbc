"""Recomputing layers in the backward pass (gradient checkpointing) changes no gradient."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...facts.observations import ParameterGap
from ..value_check import NotApplicable, Unanswered, ValueCheck

if TYPE_CHECKING:
    from ..measuring_bench import MeasuringBench


@dataclass(frozen=True, kw_only=True)
class CheckpointingGap(ParameterGap):
    """A gradient is another one than without gradient checkpointing."""


class CheckpointingParity(ValueCheck):
    """See the module's docstring."""

    name, order = "checkpointing", 50
    yields = (CheckpointingGap,)

    def observe(self, bench: MeasuringBench) -> Iterator[CheckpointingGap]:
        """The parameter that is furthest off."""
        if bench.spec.mode != "train" or not bench.spec.gradient_checkpointing:
            raise NotApplicable
        ran = bench.composed()
        plain = bench.run_without_checkpointing()
        if plain.failure is not None:
            raise Unanswered(f"without checkpointing, {bench.stopped(bench.tree, plain)}")
        parameter, amount = bench.gradient_gap(ran, [plain])
        if amount > bench.tolerance:
            yield CheckpointingGap(parameter=parameter, deviation=amount)
