"""From a difference in the output to the op where it began: recorded values, aligned with the twin's.

The first op whose twin surely stands for the same rows, and whose value is another one, is where the
difference shows. Behind it lie ops without such a twin, those of the composition itself. Only what ends up in
the reference's rows is asked about there (`needed_rows`), and a row is right when the reference has it
anywhere (`known_rows`). The first row that the reference never has is the cause. If another reference has
it, it may have been right for that one's rows: then the cause is the op that put it into these, or what chose
the other adapter's module. Where nothing is strange, something may be left out that the reference does.

What an op makes of another adapter's weights is no departure as long as that adapter's own rows are meant;
where such a value meets other rows, the cause is the line that chose it, not the helper that computed with
it. Nor is a line at fault that gave the right value before, for another caller: then it is the caller.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from ...facts.observations import Departure
from ...schema.composition import Node, lane_count
from ...schema.references import Reference
from ...trace.align.twins import TwinTable, classify, shape_table
from ...trace.records import Record, Site
from ..precision import deviation
from ..witness import Witness, place_of
from .ancestry import behind, told_alone, without_inputs
from .choice import chosen_at
from .known_rows import KnownRows
from .named_departure import departure_at
from .needed_rows import Needed, needed_rows
from .op_noise import OpNoise
from .own_rows import OwnRows, rows_along

if TYPE_CHECKING:
    from ..bench import Bench


def first_departure(bench: Bench, reference: Reference) -> Departure | None:
    """The first op of the composition whose value, on the reference's rows, is not its twin's."""
    others = {(r.tree, r.head) for r in bench.references} - {(reference.tree, reference.head)}
    return _Search(bench, reference, bench.tree, sorted(others, key=str)).departure()


def relation_departure(bench: Bench, tree: Node, alone: Node) -> Departure | None:
    """The first op of `tree`, a composition without lanes, whose value is not what `alone` has there."""
    return _Search(bench, Reference(0, tuple(range(bench.rows)), alone), tree, ()).departure()


@dataclass(frozen=True)
class _Suspect:
    """An op, one of its values, and which rows of it are needed."""

    record: Record
    value: torch.Tensor
    places: Collection[int]

    @property
    def rows(self) -> torch.Tensor:
        """What is needed of the value."""
        return self.value[sorted(self.places)]

    @property
    def other_rows(self) -> torch.Tensor:
        """The rest of it."""
        return self.value[[row for row in range(len(self.value)) if row not in self.places]]


class _Search:
    """One composition against one of its references, op by op."""

    def __init__(
        self, bench: Bench, reference: Reference, tree: Node, others: Sequence[tuple[Node, str | None]]
    ) -> None:
        self.bench, self.reference, self.lanes = bench, reference, lane_count(tree)
        self.alone, self.composed = bench.witnessed(reference.tree, reference.head), bench.witnessed(tree)
        classify(self.composed.trace, TwinTable([shape_table(self.alone.trace)], {}, self.lanes, bench.rows))
        self.twins = {record.key: record for record in self.alone.trace.records}
        self.others = others
        self.own = OwnRows(reference, bench.rows, self.lanes)
        self.noise = OpNoise(self.alone, lambda: bench.witnessed_nudged(reference.tree))
        self.agreeing: set[int] = set()
        self.foreign: set[int] = set()
        """Records that are what another reference makes of its adapter's weights."""

    def departure(self) -> Departure | None:
        """The cause, None where every twin agrees."""
        found = list(self._departing())
        # A line that runs another number of times has twins by number only: they may be for other rows.
        sure = (pair for pair in found if not self._runs_more_often(pair[0]))
        record, amount = next(sure, None) or next(iter(found), (None, 0.0))
        return None if record is None else self._blamed(record, amount)

    def _departing(self) -> Iterator[tuple[Record, float]]:
        """Ops that are off on the reference's rows, and by how much, up to the first whose twin is sure."""
        for record in self.composed.trace.records:
            twin = self.twins.get(record.key)
            amount = self._gap(record, twin) if twin is not None else None
            if amount is None:
                continue
            if amount <= self.bench.tolerance or self._has_another_turn(record):
                self.agreeing.add(record.index)
            elif self._belongs_to_another(record):
                self.foreign.add(record.index)
            else:
                yield record, amount
                if not self._runs_more_often(record):
                    return

    def _gap(self, record: Record, twin: Record) -> float | None:
        """How far an op is from its twin on the reference's rows, beyond round-off; None if nothing tells."""
        mine, theirs = self.composed.values_of(record), self.alone.values_of(twin)
        amount = self.own.gap(record.lane, mine, theirs)
        if amount is None or amount <= self.bench.tolerance or not self.noise.may_explain(mine, theirs):
            return amount
        return self.own.gap(record.lane, mine, theirs, self.noise.of(twin)) or 0.0

    def _has_another_turn(self, record: Record) -> bool:
        """Whether its line runs another number of times, and gave the reference this value once."""
        if not self._runs_more_often(record):
            return False
        gaps = (self._gap(record, turn) for turn in self._turns(self.alone, record))
        return any(gap is not None and gap <= self.bench.tolerance for gap in gaps)

    def _runs_more_often(self, record: Record) -> bool:
        """Whether its line runs another number of times than in the reference: twins by number mislead."""
        return len(self._turns(self.composed, record)) != len(self._turns(self.alone, record))

    def _turns(self, witness: Witness, record: Record) -> list[Record]:
        """The records of the same op at the same line of the same module."""
        return witness.by_place.get(place_of(record), [])

    def _blamed(self, record: Record, amount: float) -> Departure:
        chain = self._foreign_chain(record)
        site = (
            _common_line([self.composed.frames[index] for index in (*chain, record.index)]) if chain else None
        )
        if site is not None:
            return Departure(self.reference.lane, record.key.module, site, record.key.op, amount)
        cause = self._first_strange(record)
        left_out = self._first_left_out(record) if cause is record else None
        if left_out is not None:
            return self._at_the_call(left_out, self.alone, [self.composed], amount)
        if self._is_of_another(cause):
            return self._at_the_call(cause, self.composed, [self.alone], amount)
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
            for theirs in self._turns(other, record)
        )

    @cached_property
    def _others(self) -> list[Witness]:
        return [self.bench.witnessed(tree, head) for tree, head in self.others]

    @cached_property
    def _from_weights(self) -> set[int]:
        """Records that no input reaches."""
        return without_inputs(self.composed)

    def _foreign_chain(self, record: Record) -> list[int]:
        """The other adapter's values that go into the record, as far back as they are its alone; in order."""
        return sorted(behind(self.composed, record, lambda r: r.index in self.foreign))

    # -- ops that no twin can vouch for --------------------------------------------------------------

    def _first_strange(self, record: Record) -> Record:
        """The first op on the way to the record that made of these rows what the reference never has.

        What other references have may be right for their rows: then it is the op that put it into these ones.
        """
        value = self.composed.values_of(record)[0]
        places = self.own.places(value, self.alone.values_of(self.twins[record.key])[0])
        needed = needed_rows(self.composed, record, places, lambda r: r.index not in self.agreeing)
        known = KnownRows([self.alone], self.bench.tolerance)
        strange = [
            *(s for s in self._carried(needed) if not known.know(s.rows)),
            _Suspect(record, value, places),
        ]
        everyone = KnownRows([self.alone, *self._others], self.bench.tolerance)
        if everyone.know(strange[0].rows):
            return next((s for s in strange if self._has_them_elsewhere(s)), strange[0]).record
        return strange[0].record

    def _carried(self, needed: Needed) -> Iterator[_Suspect]:
        """What each op on the way made, in order."""
        for (index, output), places in sorted(needed.items()):
            record = self.composed.trace.records[index]
            value = self.composed.values_of(record)[output]
            if _carries(value) and not self._is_told(record):
                yield _Suspect(record, value, places)

    def _has_them_elsewhere(self, suspect: _Suspect) -> bool:
        """Whether a value has the reference's rows, but not where they should be."""
        wanted, rest = len(suspect.places), suspect.other_rows
        return len(rest) >= wanted and self._own_known.count(rest) >= wanted

    @cached_property
    def _own_known(self) -> KnownRows:
        return KnownRows(
            [self.alone], self.bench.tolerance, lambda value: rows_along(value, 0, *self._rows_in(value))
        )

    def _is_told(self, record: Record) -> bool:
        """Whether it is a number of the code's own, such as a share, or a weight: nothing for each row."""
        size = record.shape[0] if record.shape else 0
        return record.index in self._told and (
            self.lanes == 1 or not size or size % (self.lanes * self.bench.rows) != 0
        )

    @cached_property
    def _told(self) -> set[int]:
        return told_alone(self.composed)

    # -- ops that the composition leaves out ---------------------------------------------------------

    def _first_left_out(self, record: Record) -> Record | None:
        """The first op of the reference on the way to the twin whose value the composition never has."""
        known = KnownRows([self.composed], self.bench.tolerance)
        keys, constant = {r.key for r in self.composed.trace.records}, without_inputs(self.alone)
        missed = behind(self.alone, self.twins[record.key], lambda r: r.key not in keys)
        for index in sorted(missed - constant):
            missing = self.alone.trace.records[index]
            values = filter(_carries, self.alone.values_of(missing))
            if not all(known.know(rows_along(v, 0, *self._rows_in(v))) for v in values):
                return missing
        return None

    def _rows_in(self, value: torch.Tensor) -> tuple[tuple[int, ...], int]:
        """The reference's rows in one of its own values, and how long each is; all where that is unclear."""
        per_row, rest = divmod(value.shape[0], self.bench.rows)
        return (self.reference.rows, per_row) if per_row and not rest else (tuple(range(value.shape[0])), 1)

    # -- who asked for it ----------------------------------------------------------------------------

    def _is_of_another(self, record: Record) -> bool:
        """Whether it lies in a module that another reference calls and this one does not."""
        return record.key.module not in self.alone.callers and any(
            record.key.module in other.callers for other in self._others
        )

    def _at_the_call(
        self, record: Record, witness: Witness, others: Sequence[Witness], amount: float
    ) -> Departure:
        """What chose the outermost module around the record that the others do not call."""
        parts = record.key.module.split(".")
        for path in (".".join(parts[: i + 1]) for i in range(len(parts))):
            caller = witness.callers.get(path)
            if caller is not None and caller.site and not any(path in other.callers for other in others):
                site = chosen_at(caller.site)
                return Departure(self.reference.lane, caller.module, site, record.key.op, amount)
        return departure_at(self.reference.lane, record, amount)

    def _caller_of_its_own(self, record: Record) -> Site | None:
        """Where the record was called from, when the same line gave what it should for another caller."""
        mine = self.composed.frames[record.index]
        for other in self._turns(self.composed, record):
            if other.index < record.index and other.index in self.agreeing:
                theirs = self.composed.frames[other.index]
                return next((m for m, t in zip(mine, theirs, strict=False) if m != t), None)
        return None


def _carries(value: torch.Tensor) -> bool:
    """Whether a value can hold rows: whole numbers count or choose."""
    return value.is_floating_point() and value.dim() > 0


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
