"""Helpers for rules about what the probe measured."""

from __future__ import annotations

from adapter_audit.auditor.facts.facts import Discrepancy, Facts
from adapter_audit.auditor.schema.result import Location


def place_of(facts: Facts, item: Discrepancy) -> Location:
    """Where the difference began, at full size where the static trace has the op; the output otherwise."""
    departure = item.departure
    if departure is None:
        return Location(module="", op="output")
    if departure.index is not None and facts.static is not None:
        return facts.location(facts.static.trace.records[departure.index])
    return facts.place(departure.site, departure.module, departure.op)


def amount(item: Discrepancy) -> str:
    """How far off, in words."""
    if item.detail:
        return item.detail
    if item.output == "sequences":
        return "other tokens"
    if item.deviation == float("inf"):
        return "another shape, or not a number"
    return f"off by {item.deviation:.2g} of the largest value"
