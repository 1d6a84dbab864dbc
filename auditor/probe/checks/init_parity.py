"""`adapters.init` alone changes no output; nor do adapters that are disabled, where the base is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...facts.observations import OutputGap
from ...schema.composition import BASE
from ...schema.history import expectations
from ..value_check import NotApplicable, Unanswered, ValueCheck

if TYPE_CHECKING:
    from ...trace.records import Failure
    from ..cause.init_departure import InitCause
    from ..measuring_bench import MeasuringBench


@dataclass(frozen=True, kw_only=True)
class InitChange(OutputGap):
    """The prepared model without active adapters gives something else than the bare one, or stops."""

    failure: Failure | None = None
    """It stops; then there is no output."""


@dataclass(frozen=True, kw_only=True)
class LostKeyword(InitChange):
    """A module's forward takes a keyword no more; taken away from the bare model, it gives the same."""

    keyword: str


@dataclass(frozen=True, kw_only=True)
class NewParameter(InitChange):
    """The first op that departs uses a parameter that the bare model does not have."""

    parameter: str


@dataclass(frozen=True, kw_only=True)
class OtherArgument(InitChange):
    """The first op that departs is told something else than in the bare model."""

    argument: str
    now: str
    before: str


class InitParity(ValueCheck):
    """See the module's docstring."""

    name, order = "init", 90
    yields = (InitChange, LostKeyword, NewParameter, OtherArgument)

    def observe(self, bench: MeasuringBench) -> Iterator[InitChange]:
        """At most one, of the type that tells most."""
        if not (bench.library.changes_classes or _asks_for_base(bench)):
            raise NotApplicable
        if bench.raw is None:
            if bench.raw_failure is not None:
                raise Unanswered(f"before it is prepared, {bench.stopped(None, bench.bare())}")
            raise NotApplicable  # the model came with its adapters
        ran = bench.known(None)
        output, amount = bench.gap(ran, bench.bare()) if ran.failure is None else ("", float("inf"))
        if amount > bench.tolerance:
            yield _change(bench.init_cause(), output, amount, ran.failure)


def _asks_for_base(bench: MeasuringBench) -> bool:
    """Whether some rows, or a step, are to be the model without adapters."""
    trees = [r.tree for r in bench.references]
    return BASE in trees or None in expectations(bench.tree, bench.job.history, bench.library.alone)


def _change(cause: InitCause | None, output: str, deviation: float, failure: Failure | None) -> InitChange:
    """The evidence for what was found to be the cause."""
    if cause is None:
        return InitChange(output=output, deviation=deviation, failure=failure)
    seen = InitChange(output=output, deviation=deviation, failure=failure, departure=cause.departure)
    if cause.keyword:
        return LostKeyword(**vars(seen), keyword=cause.keyword)
    if cause.parameter:
        return NewParameter(**vars(seen), parameter=cause.parameter)
    if cause.argument is not None:
        return OtherArgument(**vars(seen), **cause.argument._asdict())
    return seen
