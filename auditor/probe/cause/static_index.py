"""Departures of the small model, found again in the trace of the full-size one."""

from __future__ import annotations

from dataclasses import replace

from ...facts.facts import ProbeFacts, StaticFacts
from ...facts.observations import Observation
from ...trace.records import Key


def with_static_indices(facts: ProbeFacts, static: StaticFacts | None) -> ProbeFacts:
    """Point every departure at the static trace's record with the same key: findings are shown full size.

    Fused kernels of the CPU are several ops on meta: then the last op of the same statement stands for them.
    """
    records = static.trace.records if static is not None else []
    index: dict[Key, int] = {r.key: r.index for r in records}
    statement = {r.key[:4]: r.index for r in records}
    moved: list[Observation] = []
    for item in facts.observations:
        departure = item.departure
        if departure is not None and departure.key is not None:
            found = index.get(departure.key, statement.get(departure.key[:4]))
            departure = replace(departure, index=found)
        moved.append(replace(item, departure=departure))
    return replace(facts, observations=tuple(moved))
