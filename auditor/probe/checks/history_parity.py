"""After every step of a history, the model gives what the adapters that must act then gave before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...facts.observations import Observation, OutputGap
from ...schema.history import expectations, strangers
from ..value_check import NotApplicable, ValueCheck

if TYPE_CHECKING:
    from ...schema.composition import Node
    from ...schema.history import Step
    from ...trace.records import Failure
    from ..bench import Ran
    from ..life import Life
    from ..measuring_bench import MeasuringBench


@dataclass(frozen=True, kw_only=True)
class HistoryGap(OutputGap):
    """After a step, an output is not what it should be."""

    step: str
    number: int
    """Of the step, from 1."""
    expected: str
    """The composition that should act; empty for no adapter."""


@dataclass(frozen=True, kw_only=True)
class HistoryStop(Observation):
    """A step stops, or the call after it."""

    step: str
    number: int
    failure: Failure


@dataclass(frozen=True, kw_only=True)
class StrangerAccepted(Observation):
    """A step goes through that names an adapter which is not there."""

    step: str
    number: int
    names: tuple[str, ...]


class HistoryParity(ValueCheck):
    """The last check: the model is another one afterwards."""

    name, order = "history", 900
    yields = (HistoryGap, HistoryStop, StrangerAccepted)

    def observe(self, bench: MeasuringBench) -> Iterator[Observation]:
        """The first step after which something is wrong."""
        steps = bench.job.history
        if not steps:
            raise NotApplicable
        bench.composed()
        expected = expectations(bench.tree, steps, bench.library.alone)
        wanted = [bench.expected_rows(tree) for tree in expected]
        with bench.living() as life:
            for number, (step, tree, rows) in enumerate(zip(steps, expected, wanted, strict=True), 1):
                seen = list(_after(bench, life, step, number, tree, rows))
                yield from seen
                if seen:
                    return


def _after(
    bench: MeasuringBench, life: Life, step: Step, number: int, tree: Node | None, wanted: Ran | None
) -> Iterator[Observation]:
    """What is wrong after one step, if anything."""
    failure = life.do(step, tree)
    odd = strangers(step, bench.names)
    if failure is not None and not (odd and failure.deliberate):
        yield HistoryStop(step=str(step), number=number, failure=failure)
    elif failure is None and odd:
        yield StrangerAccepted(step=str(step), number=number, names=odd)
    elif failure is None and wanted is not None:
        output, amount = bench.gap(life.ran, wanted)
        if amount > bench.tolerance:
            yield HistoryGap(
                step=str(step),
                number=number,
                expected="" if tree is None else str(tree),
                output=output,
                deviation=amount,
                departure=life.departure(step, tree),
            )
