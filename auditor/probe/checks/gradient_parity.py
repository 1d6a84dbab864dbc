"""In train mode, gradients of every adapter are those of training it alone, and not zero everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...facts.observations import ParameterGap
from ..value_check import NotApplicable, Unanswered, ValueCheck

if TYPE_CHECKING:
    from ..measuring_bench import MeasuringBench


@dataclass(frozen=True, kw_only=True)
class GradientGap(ParameterGap):
    """A gradient is not that of training the adapter alone."""


class GradientParity(ValueCheck):
    """See the module's docstring."""

    name, order = "gradients", 30
    yields = (GradientGap,)

    def observe(self, bench: MeasuringBench) -> Iterator[GradientGap]:
        """The parameter that is furthest off."""
        if bench.spec.mode != "train":
            raise NotApplicable
        ran = bench.composed()
        alone = [bench.gradients_of(r) for r in bench.references]
        for reference, run in zip(bench.references, alone, strict=True):
            if run.failure is not None:
                raise Unanswered(bench.stopped(reference.tree, run))
        parameter, amount = bench.gradient_gap(ran, alone)
        if amount > bench.tolerance:
            yield GradientGap(parameter=parameter, deviation=amount)
