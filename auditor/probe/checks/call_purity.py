"""A call after all those of other checks gives what the first one gave, and so does the one right after.

Both get the very same tensors, which must stay as they were. What the model keeps from call to call moves
here, as in use; a model that gives something else each time without adapters is not the composition's fault.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from ...facts.observations import Observation, OutputGap
from ..value_check import ValueCheck

if TYPE_CHECKING:
    from ...trace.records import Failure
    from ..bench import Ran
    from ..measuring_bench import MeasuringBench


class Call(str, Enum):
    """Which call after the first one."""

    LATER = "later"
    """After other compositions."""
    NEXT = "next"
    """Right after one of the same composition."""


@dataclass(frozen=True, kw_only=True)
class ResultDrift(OutputGap):
    """Another call gives another result, or stops."""

    call: Call
    failure: Failure | None = None


@dataclass(frozen=True, kw_only=True)
class InputWritten(Observation):
    """A call writes into a tensor of the caller's."""

    input: str


class CallPurity(ValueCheck):
    """See the module's docstring."""

    name, order = "purity", 180
    yields = (ResultDrift, InputWritten)

    def observe(self, bench: MeasuringBench) -> Iterator[ResultDrift | InputWritten]:
        """What the first of the two calls shows, if anything; what the second one shows otherwise."""
        ran = bench.composed()
        given = bench.copied_inputs()
        again: dict[Call, tuple[Ran, list[str]]] = {}
        with bench.states_move():
            bench.subject.activate(bench.tree)
            for call in Call:
                again[call] = bench.run_on(given), bench.changed_inputs(given)
        for call, (result, written) in again.items():
            found: list[ResultDrift | InputWritten] = list(_drift(bench, call, ran, result))
            found = found or [
                InputWritten(input=name, departure=bench.writing_line(name)) for name in written
            ]
            if found:
                yield from found
                return


def _drift(bench: MeasuringBench, call: Call, ran: Ran, again: Ran) -> Iterator[ResultDrift]:
    """At most one, of the output that deviates most; none where the model itself drifts."""
    if again.failure is not None:
        yield ResultDrift(call=call, output="", deviation=float("inf"), failure=again.failure)
        return
    output, amount = bench.any_gap(again, ran)
    if output and amount > bench.tolerance and not bench.drifts_by_itself():
        yield ResultDrift(call=call, output=output, deviation=amount)
