"""The loss is the mean over all rows of what they give alone, each with its own label.

All rows have equally many labels, so that the mean over rows is the mean over lanes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...facts.observations import OutputGap
from ..value_check import NotApplicable, Unanswered, ValueCheck

if TYPE_CHECKING:
    from ...schema.references import Reference
    from ..measuring_bench import MeasuringBench


@dataclass(frozen=True, kw_only=True)
class LossGap(OutputGap):
    """The loss is not the mean of the lanes' losses."""

    loss: float
    expected: float


class LossParity(ValueCheck):
    """See the module's docstring."""

    name, order = "loss", 20
    yields = (LossGap,)

    def observe(self, bench: MeasuringBench) -> Iterator[LossGap]:
        """At most one."""
        ran = bench.composed()
        if "loss" not in ran.outputs or len(bench.references) == 1:
            raise NotApplicable
        loss = float(ran.outputs["loss"])
        expected = sum(bench.share(r) * _loss_alone(bench, r) for r in bench.references)
        off = abs(loss - expected) / (abs(expected) or 1.0)
        if off > bench.tolerance:
            yield LossGap(output="loss", deviation=off, loss=loss, expected=expected)


def _loss_alone(bench: MeasuringBench, reference: Reference) -> float:
    """The loss of a reference on its rows. Raises Unanswered where there is none to compare with."""
    rows = bench.rows_with_labels(reference)
    ran = bench.reference(reference) if rows is None else bench.known(reference.tree, rows)
    if ran.failure is not None:
        raise Unanswered(bench.stopped(reference.tree, ran))
    if "loss" not in ran.outputs:
        raise Unanswered(f"{reference.tree} alone has no loss")
    return float(ran.outputs["loss"])
