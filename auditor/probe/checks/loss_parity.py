"""The loss is the mean over all rows of what they give alone, each with its own label.

All rows have equally many labels, so that the mean over rows is the mean over lanes. Of several heads, each
has such a loss over its rows, and the model's is their sum.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...facts.observations import OutputGap
from ...trace.output_names import own_name
from ..value_check import NotApplicable, Unanswered, ValueCheck

if TYPE_CHECKING:
    from ...schema.references import Reference
    from ..bench import Ran
    from ..measuring_bench import MeasuringBench


LOSS = "loss"
MEAN = "the mean of the lanes' losses"
MEAN_OF_HEAD = "the loss of this head's rows alone"
SUM = "the sum of the heads' losses"


@dataclass(frozen=True, kw_only=True)
class LossGap(OutputGap):
    """The loss is not what the losses alone make it."""

    loss: float
    expected: float
    meaning: str
    """What the expected loss is, in words."""


class LossParity(ValueCheck):
    """See the module's docstring."""

    name, order = "loss", 20
    yields = (LossGap,)

    def observe(self, bench: MeasuringBench) -> Iterator[LossGap]:
        """The first loss that is off: that of one head, or of all."""
        ran = bench.composed()
        if len(bench.references) == 1 or not any(map(_is_loss, ran.outputs)):
            raise NotApplicable
        for gap in _gaps(bench, ran):
            if gap.deviation > bench.tolerance:
                yield gap
                return


def _is_loss(name: str) -> bool:
    return own_name(name) == LOSS


def _gaps(bench: MeasuringBench, ran: Ran) -> Iterator[LossGap]:
    """Of every loss. Raises NotApplicable where there is none to compare with."""
    expected = defaultdict[int | None, float](float)
    of_set: dict[int | None, float] = {}
    for reference in bench.references:
        expected[reference.part] += bench.share(reference) * _loss_alone(bench, reference)
        of_set[reference.part] = bench.loss_of(ran, reference)
    for part, loss in of_set.items():
        yield _gap(loss, expected[part], MEAN if part is None else MEAN_OF_HEAD)
    if None not in of_set and LOSS in ran.outputs:
        yield _gap(float(ran.outputs[LOSS]), sum(expected.values()), SUM)


def _gap(loss: float, expected: float, meaning: str) -> LossGap:
    off = abs(loss - expected) / (abs(expected) or 1.0)
    return LossGap(output=LOSS, deviation=off, loss=loss, expected=expected, meaning=meaning)


def _loss_alone(bench: MeasuringBench, reference: Reference) -> float:
    """The loss of a reference on its rows. Raises Unanswered where there is none to compare with."""
    ran = bench.reference(reference, bench.rows_with_labels(reference))
    if ran.failure is not None:
        raise Unanswered(bench.stopped(reference.tree, ran))
    if LOSS not in ran.outputs:
        raise Unanswered(f"{reference.tree} alone has no loss")
    return float(ran.outputs[LOSS])
