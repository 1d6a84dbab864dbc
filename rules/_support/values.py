"""Helpers for rules about what the probe measured."""

from __future__ import annotations

from adapter_audit.auditor.facts.facts import Facts, Failure
from adapter_audit.auditor.facts.observations import Observation, OutputGap
from adapter_audit.auditor.schema.result import Location


def place_of(facts: Facts, item: Observation) -> Location:
    """Where the difference began, at full size where the static trace has the op; the output otherwise."""
    departure = item.departure
    if departure is None:
        return Location(module="", op="output")
    if departure.index is not None and facts.static is not None:
        return facts.location(facts.static.trace.records[departure.index])
    return facts.place(departure.site, departure.module, departure.op)


def amount(gap: OutputGap) -> str:
    """How far an output is off, in words."""
    return "other tokens" if gap.output == "sequences" else off(gap.deviation)


def off(deviation: float) -> str:
    """A deviation in words."""
    if deviation == float("inf"):
        return "another shape, or not a number"
    return f"off by {deviation:.2g} of the largest value"


def stopped(failure: Failure) -> str:
    """That a run which should give something fails, in words."""
    return f"it fails, {failure.kind}: {failure.message}"
