"""From a difference in the output to the op where it began: recorded values, aligned with the twin's.

The cause is the first op whose value departs although all its inputs agree. An op without twin (one of the
composition itself) agrees when its value is one that the reference knows, too. What an op makes of another
adapter's weights is no departure as long as that adapter's own rows are meant; where such a value meets other
rows, the cause is the line that chose it, not the helper that computed with it. Nor is a line at fault that
gave the right value before, for another caller: then it is the caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from ...facts.facts import ProbeFacts, StaticFacts
from ...facts.observations import Departure, Observation
from ...schema.composition import Node, lane_count
from ...schema.references import Reference
from ...trace.records import Key, Record, Site
from ...trace.runs import Inputs
from ..precision import deviation
from ..witness import Witness
from .op_noise import OpNoise

if TYPE_CHECKING:
    from ..bench import Bench


def first_departure(bench: Bench, reference: Reference) -> Departure | None:
    """The first op of the composition whose value, on the reference's rows, is not its twin's."""
    return _Search(bench, reference, bench.tree).departure()


def relation_departure(bench: Bench, tree: Node, alone: Node) -> Departure | None:
    """The first op of `tree`, a composition without lanes, whose value is not what `alone` has there."""
    return _Search(bench, Reference(0, tuple(range(bench.rows)), alone), tree).departure()


def first_mixing(bench: Bench, more: Inputs) -> Site | None:
    """The line of the model without adapters that gives the batch's rows another value among `more` rows.

    `more` begins with the batch. Looked for along the first axis of ops; None where no op shows it.
    """
    alone, among = bench.witnessed(None), bench.witnessed(None, inputs=more)
    twins = {record.key: record for record in alone.trace.records}
    for record in among.trace.records:
        twin = twins.get(record.key)
        for mine, theirs in zip(among.values_of(record), alone.values_of(twin) if twin else (), strict=False):
            known = mine.dim() and mine.dim() == theirs.dim() and len(mine) > len(theirs)
            if known and deviation(mine[: len(theirs)], theirs) > bench.tolerance:
                return record.site
    return None


class _Search:
    """One composition against one of its references, op by op."""

    def __init__(self, bench: Bench, reference: Reference, tree: Node) -> None:
        self.bench, self.reference = bench, reference
        self.alone, self.composed = bench.witnessed(reference.tree, reference.head), bench.witnessed(tree)
        self.twins = {record.key: record for record in self.alone.trace.records}
        self.cut = _Cut(bench, reference, lane_count(tree))
        self.noise = OpNoise(self.alone, lambda: bench.witnessed_nudged(reference.tree))
        self.agreeing: set[int] = set()
        self.foreign: set[int] = set()
        """Records that are what another reference makes of its adapter's weights."""

    def departure(self) -> Departure | None:
        """The cause, None where every twin agrees."""
        for record in self.composed.trace.records:
            twin = self.twins.get(record.key)
            if twin is None:
                continue
            mine, theirs = self.composed.values_of(record), self.alone.values_of(twin)
            amount = self.cut.compare(mine, theirs)
            if amount is None:
                continue
            if amount > self.bench.tolerance and self.noise.may_explain(mine, theirs):
                amount = self.cut.compare(mine, theirs, self.noise.of(twin)) or 0.0
            if amount <= self.bench.tolerance:
                self.agreeing.add(record.index)
                continue
            if self._belongs_to_another(record):
                self.foreign.add(record.index)
                continue
            return self._blamed(record, amount)
        return None

    def _blamed(self, record: Record, amount: float) -> Departure:
        chain = self._foreign_chain(record)
        if chain:
            site = _common_line([self.composed.frames[index] for index in (*chain, record.index)])
            if site is not None:
                module = record.key.module
                return Departure(self.reference.lane, module, site, record.key.op, amount)
        cause = self._behind_untwinned(record)
        caller = self._caller_of_its_own(cause) if self._runs_more_often(cause) else None
        if caller is not None:
            return Departure(self.reference.lane, cause.key.module, caller, cause.key.op, amount)
        return departure_at(self.reference.lane, cause, amount)

    # -- another adapter's weights -------------------------------------------------------------------

    def _belongs_to_another(self, record: Record) -> bool:
        """Whether it depends on weights alone, and another reference makes the same of them."""
        return record.index in self._from_weights and any(
            _agree(self.composed.values_of(record), other.values_of(theirs), self.bench.tolerance)
            for other in self._others
            for theirs in other.trace.records
            if theirs.key[:5] == record.key[:5]
        )

    @cached_property
    def _others(self) -> list[Witness]:
        own = (self.reference.tree, self.reference.head)
        others = {(r.tree, r.head) for r in self.bench.references} - {own}
        return [self.bench.witnessed(tree, head) for tree, head in sorted(others, key=str)]

    @cached_property
    def _from_weights(self) -> set[int]:
        """Records that no input reaches."""
        found: set[int] = set()
        for record in self.composed.trace.records:
            operands = record.operands
            if operands and all(
                o.producer in found if o.producer is not None else o.source for o in operands
            ):
                found.add(record.index)
        return found

    def _foreign_chain(self, record: Record) -> list[int]:
        """The other adapter's values that go into the record, as far back as they are its alone; in order."""
        chain: set[int] = set()
        open_ends = [record]
        while open_ends:
            for operand in open_ends.pop().operands:
                if operand.producer in self.foreign and operand.producer not in chain:
                    chain.add(operand.producer)
                    open_ends.append(self.composed.trace.records[operand.producer])
        return sorted(chain)

    # -- ops of the composition's own ----------------------------------------------------------------

    def _behind_untwinned(self, record: Record) -> Record:
        """The first op without twin on the way to the record whose value the reference does not know."""
        for index in sorted(self._untwinned_behind(record)):
            suspect = self.composed.trace.records[index]
            if not self._is_known(suspect):
                return suspect
        return record

    def _runs_more_often(self, record: Record) -> bool:
        """Whether its line runs another number of times than in the reference: twins by number mislead."""
        mine, theirs = self.composed.trace.records, self.alone.trace.records
        return sum(r.key[:5] == record.key[:5] for r in mine) != sum(
            r.key[:5] == record.key[:5] for r in theirs
        )

    def _caller_of_its_own(self, record: Record) -> Site | None:
        """Where the record was called from, when the same line gave what it should for another caller."""
        mine = self.composed.frames[record.index]
        for other in self.composed.trace.records[: record.index]:
            if other.key[:5] == record.key[:5] and other.index in self.agreeing:
                theirs = self.composed.frames[other.index]
                return next((m for m, t in zip(mine, theirs, strict=False) if m != t), None)
        return None

    def _untwinned_behind(self, record: Record) -> set[int]:
        found: set[int] = set()
        open_ends = [record]
        while open_ends:
            for operand in open_ends.pop().operands:
                producer = operand.producer
                if producer is None or producer in found:
                    continue
                behind = self.composed.trace.records[producer]
                if behind.key not in self.twins:
                    found.add(producer)
                    open_ends.append(behind)
        return found

    def _is_known(self, record: Record) -> bool:
        """Whether each of its values, on the reference's rows or as it is, is one of the references'."""
        return all(self._knows(value) for value in self.composed.values_of(record) if value.numel())

    def _knows(self, value: torch.Tensor) -> bool:
        own = self.cut.rows_of(value)
        return any(
            deviation(mine, known) <= self.bench.tolerance
            for mine, witnesses in ((own, [self.alone]), (value, [self.alone, *self._others]))
            if mine is not None
            for witness in witnesses
            for known in witness.by_shape.get(mine.shape, ())
        )


def _agree(mine: Sequence[torch.Tensor], theirs: Sequence[torch.Tensor], tolerance: float) -> bool:
    return len(mine) == len(theirs) and all(
        deviation(m, t) <= tolerance for m, t in zip(mine, theirs, strict=True)
    )


def _common_line(frames: Sequence[tuple[Site, ...]]) -> Site | None:
    """Where the first of these ops begins in the innermost function that all of them are in."""
    outward = [tuple(reversed(f)) for f in frames]
    found: Site | None = None
    for sites in zip(*outward, strict=False):
        if len({(s.file, s.function) for s in sites}) > 1:
            break
        found = sites[0]
        if len(set(sites)) > 1:
            break  # from here on they are other calls
    return found


class _Cut:
    """Cuts a reference's rows out of a value of the composition."""

    def __init__(self, bench: Bench, reference: Reference, lanes: int) -> None:
        self.lanes = lanes
        self.rows, self.reference = bench.rows, reference

    def compare(
        self, mine: Sequence[torch.Tensor], theirs: Sequence[torch.Tensor], noise: Sequence[float] = ()
    ) -> float | None:
        """Largest deviation over the outputs, beyond their noise; None where the shapes tell no lanes."""
        floors = noise or [0.0] * len(theirs)
        amounts = [self._one(m, t, floor) for m, t, floor in zip(mine, theirs, floors, strict=False)]
        known = [a for a in amounts if a is not None]
        return max(known, default=None)

    def rows_of(self, value: torch.Tensor) -> torch.Tensor | None:
        """The lane's part of a value whose first axis has all lanes; None without lanes."""
        if self.lanes == 1 or not value.dim() or value.shape[0] % (self.lanes * self.rows):
            return None
        size = value.shape[0] // self.lanes
        return value[self.reference.lane * size : (self.reference.lane + 1) * size]

    def _one(self, mine: torch.Tensor, twin: torch.Tensor, noise: float) -> float | None:
        if mine.dim() != twin.dim():
            return None
        if self._is_of_own_set(mine, twin):
            return deviation(mine[list(self.reference.part_rows)], twin[list(self.reference.rows)])
        axis = self._batch_axis(mine, twin)
        if axis is None:
            return deviation(mine, twin, noise) if mine.shape == twin.shape else None
        per_row = twin.shape[axis] // self.rows
        own = _rows_along(mine, axis, self.reference.output_rows(self.rows), per_row)
        return deviation(own, _rows_along(twin, axis, self.reference.rows, per_row), noise)

    def _is_of_own_set(self, mine: torch.Tensor, twin: torch.Tensor) -> bool:
        """Whether it has the rows of the head that serves the reference, one of several heads."""
        return (
            self.reference.part is not None
            and mine.dim() > 0
            and mine.shape[0] == self.reference.part_size
            and twin.shape[0] == self.rows
            and mine.shape[1:] == twin.shape[1:]
        )

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


def departure_at(lane: int, record: Record, amount: float) -> Departure:
    """That an op's value is off by so much."""
    return Departure(lane, record.key.module, record.site, record.key.op, amount, record.key)


def writing_line(bench: Bench, shape: tuple[int, ...]) -> Departure | None:
    """Where a tensor of this shape that came from outside is first written to, in a forward if any."""
    witness = bench.witnessed(bench.tree)
    for record in witness.trace.records:
        target = record.operands[0] if record.mutates and record.operands else None
        if target is None or target.producer is not None or target.source or target.shape != shape:
            continue
        frames = witness.frames[record.index]
        forward = next((s for s in frames if s.function == "forward"), record.site)
        return Departure(0, record.key.module, forward, record.key.op, float("inf"))
    return None


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
