"""The model's own loss teaches every adapter what the loss of its rows alone does, by their share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...facts.observations import ParameterGap
from ..value_check import NotApplicable, Unanswered, ValueCheck

if TYPE_CHECKING:
    from ..measuring_bench import MeasuringBench


@dataclass(frozen=True, kw_only=True)
class LossGradientGap(ParameterGap):
    """A gradient of the loss is not what the losses of the rows alone give."""


class LossGradientParity(ValueCheck):
    """See the module's docstring."""

    name, order = "loss_gradients", 40
    yields = (LossGradientGap,)

    def observe(self, bench: MeasuringBench) -> Iterator[LossGradientGap]:
        """The parameter that is furthest off."""
        ran = bench.composed()
        if bench.spec.mode != "train" or "loss" not in ran.outputs or len(bench.references) == 1:
            raise NotApplicable
        mine = bench.loss_gradients(bench.tree, None)
        alone = [bench.loss_gradients(r.tree, bench.rows_with_labels(r), r.head) for r in bench.references]
        for tree, run in zip((bench.tree, *(r.tree for r in bench.references)), (mine, *alone), strict=True):
            if run.failure is not None:
                raise Unanswered(f"the backward pass of the loss: {bench.stopped(tree, run)}")
        parameter, amount = bench.gradient_gap(mine, alone, [bench.share(r) for r in bench.references])
        if amount > bench.tolerance:
            yield LossGradientGap(parameter=parameter, deviation=amount)
