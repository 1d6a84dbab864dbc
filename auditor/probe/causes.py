"""From a difference in the output to the op where it began: recorded values, aligned with the twin's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

import torch

from ..compose import lane_count
from ..facts import Departure, ProbeFacts, StaticFacts
from ..references import Reference
from ..trace.recorder import Recorder
from ..trace.records import Key, Record
from .precision import deviation

if TYPE_CHECKING:
    from .bench import Bench


def first_departure(bench: Bench, reference: Reference) -> Departure | None:
    """The first op of the composition whose value, on the reference's rows, is not its twin's."""
    alone = bench.recorded(reference.tree)
    composed = bench.recorded(bench.tree)
    twins = {record.key: record for record in alone.trace.records}
    cut = _Cut(bench, reference)
    agreeing: set[int] = set()
    for record in composed.trace.records:
        twin = twins.get(record.key)
        if twin is None:
            continue
        amount = cut.compare(_values(composed, record), _values(alone, twin))
        if amount is None or amount <= bench.tolerance:
            agreeing.add(record.index)
            continue
        cause = _behind_untwinned(composed, record, twins, agreeing)
        return _departure(reference.lane, cause, amount)
    return None


class _Cut:
    """Cuts a reference's rows out of a value of the composition."""

    def __init__(self, bench: Bench, reference: Reference) -> None:
        self.lanes = lane_count(bench.tree)
        self.rows, self.reference = bench.rows, reference

    def compare(self, mine: Sequence[torch.Tensor], theirs: Sequence[torch.Tensor]) -> float | None:
        """Largest deviation over the outputs; None where the shapes tell no lanes."""
        amounts = [self._one(m, t) for m, t in zip(mine, theirs, strict=False)]
        known = [a for a in amounts if a is not None]
        return max(known, default=None)

    def _one(self, mine: torch.Tensor, twin: torch.Tensor) -> float | None:
        if mine.dim() != twin.dim():
            return None
        axis = self._batch_axis(mine, twin)
        if axis is None:
            return deviation(mine, twin) if mine.shape == twin.shape else None
        per_row = twin.shape[axis] // self.rows
        own = _rows_along(mine, axis, self.reference.output_rows(self.rows), per_row)
        return deviation(own, _rows_along(twin, axis, self.reference.rows, per_row))

    def _batch_axis(self, mine: torch.Tensor, twin: torch.Tensor) -> int | None:
        """The axis of N*B*k rows where the twin has B*k; without lanes, the first axis if it is a batch."""
        axes = [i for i in range(mine.dim()) if mine.shape[i] != twin.shape[i]]
        if not axes and self.lanes == 1 and mine.dim() and mine.shape[0] % self.rows == 0:
            return 0
        if len(axes) != 1 or twin.shape[axes[0]] % self.rows:
            return None
        return axes[0] if mine.shape[axes[0]] == self.lanes * twin.shape[axes[0]] else None


def _rows_along(value: torch.Tensor, axis: int, rows: tuple[int, ...], per_row: int) -> torch.Tensor:
    index = [row * per_row + k for row in rows for k in range(per_row)]
    return value.index_select(axis, torch.tensor(index, dtype=torch.long))  # also when it is empty


def _values(recorder: Recorder, record: Record) -> list[torch.Tensor]:
    assert recorder.values is not None
    values: list[torch.Tensor] = recorder.values[record.index]
    return values


def _behind_untwinned(
    recorder: Recorder, record: Record, twins: Mapping[Key, Record], agreeing: set[int]
) -> Record:
    """When operands come from ops without twin (the composition's own), the last of those is the cause."""
    suspects = [
        o.producer
        for o in record.operands
        if o.producer is not None
        and o.producer not in agreeing
        and recorder.trace.records[o.producer].key not in twins
    ]
    return recorder.trace.records[max(suspects)] if suspects else record


def _departure(lane: int, record: Record, amount: float) -> Departure:
    return Departure(lane, record.key.module, record.site, record.key.op, amount, record.key)


def init_departure(bench: Bench) -> Departure | None:
    """The first op that departs between the model before and after `adapters.init`.

    The classes are replaced, so lines differ: within each module call the ops are matched in sequence.
    """
    raw, prepared = bench.raw_recorded(), bench.recorded(None)
    pairs = dict(_matched(raw, prepared))
    for record in prepared.trace.records:
        twin = pairs.get(record.index)
        if twin is None:
            continue
        amounts = [
            deviation(m, t) for m, t in zip(_values(prepared, record), _values(raw, twin), strict=False)
        ]
        amount = max(amounts, default=0.0)
        if amount > bench.tolerance:
            return _departure(0, _inserted_before(prepared, record, pairs), amount)
    return None


def _inserted_before(recorder: Recorder, record: Record, pairs: Mapping[int, Record]) -> Record:
    """An op that only the prepared model has, directly before the departing one, is the cause."""
    for operand in record.operands:
        if operand.producer is not None and operand.producer not in pairs:
            return recorder.trace.records[operand.producer]
    return record


def _matched(raw: Recorder, prepared: Recorder) -> Iterator[tuple[int, Record]]:
    ours, theirs = _by_module_call(prepared), _by_module_call(raw)
    for call, records in ours.items():
        others = theirs.get(call, [])
        matcher = SequenceMatcher(
            None, [r.key.op for r in others], [r.key.op for r in records], autojunk=False
        )
        for block in matcher.get_matching_blocks():
            for i in range(block.size):
                yield records[block.b + i].index, others[block.a + i]


def _by_module_call(recorder: Recorder) -> dict[tuple[str, int], list[Record]]:
    groups: dict[tuple[str, int], list[Record]] = {}
    for record in recorder.trace.records:
        groups.setdefault((record.key.module, record.key.call), []).append(record)
    return groups


def with_static_indices(facts: ProbeFacts, static: StaticFacts | None) -> ProbeFacts:
    """Point every departure at the static trace's record with the same key: findings are shown full size.

    Fused kernels of the CPU are several ops on meta: then the last op of the same statement stands for them.
    """
    records = static.trace.records if static is not None else []
    index = {r.key: r.index for r in records}
    statement = {r.key[:4]: r.index for r in records}
    moved = []
    for item in facts.discrepancies:
        departure = item.departure
        if departure is not None and departure.key is not None:
            found = index.get(departure.key, statement.get(departure.key[:4]))
            departure = replace(departure, index=found)
        moved.append(replace(item, departure=departure))
    return replace(facts, discrepancies=tuple(moved))
