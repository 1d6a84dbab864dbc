"""An op as the place where values depart."""

from __future__ import annotations

from ...facts.observations import Departure
from ...trace.records import Record


def departure_at(lane: int, record: Record, amount: float) -> Departure:
    """That an op's value is off by so much."""
    return Departure(lane, record.key.module, record.site, record.key.op, amount, record.key)
