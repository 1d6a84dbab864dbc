"""What is told in a call is heeded: without it the call gives other rows, and unknown names are refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...facts.observations import Observation
from ..value_check import NotApplicable, ValueCheck

if TYPE_CHECKING:
    from ..measuring_bench import MeasuringBench

UNKNOWN = "no_such_adapter"


@dataclass(frozen=True, kw_only=True)
class IgnoredArgument(Observation):
    """A call with the argument is, to the last bit, the call without it, which gives other rows."""

    argument: str
    deviation: float
    """Of the row that is furthest from what its adapter gives alone."""


@dataclass(frozen=True, kw_only=True)
class UnknownName(Observation):
    """A call that names an adapter that is not there runs."""

    argument: str
    name: str


class CallArguments(ValueCheck):
    """See the module's docstring."""

    name, order = "call arguments", 5
    yields = (IgnoredArgument, UnknownName)

    def observe(self, bench: MeasuringBench) -> Iterator[IgnoredArgument | UnknownName]:
        """One for each argument, and one where an unknown name goes through."""
        told = bench.told_in_the_call()
        if not told:
            raise NotApplicable
        bench.composed()
        for argument in told:
            gap = bench.gap_if_ignored(argument)
            if gap > bench.tolerance:
                bench.ignored.add(argument)
                yield IgnoredArgument(
                    argument=argument, deviation=gap, departure=bench.dropping_line(argument)
                )
            if bench.takes_unknown_name(argument, UNKNOWN):
                yield UnknownName(argument=argument, name=UNKNOWN, departure=bench.dropping_line(argument))
