"""Where an error began that torch raised in the backward pass, in which no model code could be named.

Two kinds tell: a tensor that was written to after it was kept for the gradient, and a forward that gives
other shapes when checkpointing runs it again.
"""

from __future__ import annotations

from ..schema.verdicts import Cause
from ..trace.records import Failure, Key, Record, Shape, Trace
from .stop_causes import cause_of, written_shape


def backward_place(trace: Trace, stop: Failure) -> Record | None:
    """The op in the forward that a stop without a line goes back to; None where nothing tells."""
    if stop.site is not None:
        return None
    if cause_of(stop) is Cause.WRITTEN_IN_PLACE:
        return _last_write(trace, written_shape(stop))
    return _other_when_run_again(trace)


def _last_write(trace: Trace, shape: Shape | None) -> Record | None:
    """The last op of model code that writes into a tensor, which has this shape then."""
    writes = [r for r in trace.records if r.mutates and r.site.file and r.shape == shape]
    return writes[-1] if writes else None


def _other_when_run_again(trace: Trace) -> Record | None:
    """The first op that has another shape, or is not there at all, when its module runs once more."""
    runs: dict[str, dict[int, dict[Key, Record]]] = {}
    for record in trace.records:
        if record.site.file:
            calls = runs.setdefault(record.key.module, {})
            calls.setdefault(record.key.call, {})[record.key._replace(call=0)] = record
    changed = (_first_change(*list(calls.values())[:2]) for calls in runs.values() if len(calls) > 1)
    return min((c for c in changed if c is not None), key=lambda r: r.index, default=None)


def _first_change(before: dict[Key, Record], again: dict[Key, Record]) -> Record | None:
    """The first op that both runs do not share; those behind the last shared one may still have come."""
    shared = [key for key in before if key in again]
    for key, record in before.items():
        if not shared or (key == shared[-1] and again[key].shapes == record.shapes):
            return None
        if key not in again or again[key].shapes != record.shapes:
            return record
    return None
