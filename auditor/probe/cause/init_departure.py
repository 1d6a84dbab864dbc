"""Why init parity is lost: the first op that departs between the model before and after `adapters.init`.

The classes are replaced, so lines differ: within each module call the ops are matched in sequence. An op
that only the prepared model has is the cause where it gives the departing op another operand; one that
changes nothing (a repeat by one) is passed over. Otherwise the departing op itself is the cause, with what
it is told otherwise: an argument, a parameter that is new, or a keyword that was lost on the way to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from ...facts.observations import Departure
from ...trace.records import Record
from ...trace.tensors import tensors_in
from ..precision import deviation
from ..witness import Witness
from .lost_keyword import lost_keyword
from .named_departure import departure_at
from .op_noise import OpNoise

if TYPE_CHECKING:
    from ..bench import Bench


class OtherArgument(NamedTuple):
    """An argument that an op is given and its twin is not, or the other way round."""

    argument: str
    now: str
    before: str


@dataclass(frozen=True)
class InitCause:
    """The first op that departs from the bare model, and what is known about why: at most one of the rest."""

    departure: Departure
    keyword: str = ""
    """A keyword that the forward at the departure takes no more."""
    parameter: str = ""
    """What the op uses and the bare model does not have."""
    argument: OtherArgument | None = None


def init_cause(bench: Bench) -> InitCause | None:
    """The first op that departs from the bare model, or a lost keyword; None where all matched ones agree."""
    raw, prepared = bench.raw_witnessed(), bench.witnessed(None)
    noise = OpNoise(prepared, lambda: bench.witnessed_nudged(None))
    pairs = dict(_matched(raw, prepared))
    for record in prepared.trace.records:
        twin = pairs.get(record.index)
        if twin is None:
            continue
        mine, theirs = prepared.values_of(record), raw.values_of(twin)
        floors = noise.of(record) if noise.may_explain(mine, theirs) else []
        floors = floors or [0.0] * len(mine)
        amount = max(
            (deviation(m, t, floor) for m, t, floor in zip(mine, theirs, floors, strict=False)), default=0.0
        )
        if amount > bench.tolerance:
            lost = lost_keyword(bench, raw, prepared, record.key.module)
            if lost is not None:
                return InitCause(lost[1], keyword=lost[0])
            inserted = _Inserted(raw, prepared, pairs, bench.tolerance).before(record, twin)
            cause = inserted or record
            departure, parameter = departure_at(0, cause, amount), _new_parameter(raw, cause)
            told = None if parameter or inserted else _other_argument(prepared, raw, cause, twin)
            return InitCause(departure, parameter=parameter, argument=told)
    return None


def _new_parameter(raw: Witness, record: Record) -> str:
    """What the op uses that the bare model does not have; empty for nothing."""
    new = {o.source for o in record.operands if o.producer is None and o.source} - raw.parameters()
    return min(new, default="")


def _other_argument(prepared: Witness, raw: Witness, record: Record, twin: Record) -> OtherArgument | None:
    """The first argument that the op is given and its twin is not, or the other way round."""
    mine, theirs = _arguments(prepared, record), _arguments(raw, twin)
    for name, value in mine.items():
        before = theirs.get(name)
        if _word(value) != _word(before):
            return OtherArgument(name, _word(value), _word(before))
    return None


def _arguments(witness: Witness, record: Record) -> dict[str, Any]:
    """All arguments of the operator by name, those left out with their defaults."""
    func, args, kwargs = witness.calls[record.index]
    schema = func._schema.arguments
    given = {a.name: value for a, value in zip(schema, args, strict=False)} | dict(kwargs)
    return {a.name: given.get(a.name, a.default_value if a.has_default_value() else None) for a in schema}


def _word(value: Any) -> str:
    """An argument as text; of tensors only how many there are: their values are compared elsewhere."""
    if isinstance(value, torch.Tensor):
        return "a tensor"
    tensors = tensors_in(value)
    return f"{len(tensors)} tensors" if tensors else str(value)


class _Inserted:
    """Ops that only the prepared model has, and what they hand on."""

    def __init__(
        self, raw: Witness, prepared: Witness, pairs: Mapping[int, Record], tolerance: float
    ) -> None:
        self.raw, self.prepared, self.pairs, self.tolerance = raw, prepared, pairs, tolerance

    def before(self, record: Record, twin: Record) -> Record | None:
        """The op that makes an operand something else than the twin's; None where the operands agree."""
        if len(record.operands) != len(twin.operands):
            return None
        for position, operand in enumerate(record.operands):
            if operand.producer is None or operand.producer in self.pairs:
                continue
            mine, theirs = _operand(self.prepared, record, position), _operand(self.raw, twin, position)
            if deviation(mine, theirs) > self.tolerance:
                return self._behind_neutral(self.prepared.trace.records[operand.producer])
        return None

    def _behind_neutral(self, record: Record) -> Record:
        """The op itself, or, where it hands on what it was given, the inserted one that made that."""
        while record.operands:
            producer = record.operands[0].producer
            given, made = _operand(self.prepared, record, 0), self.prepared.values_of(record)
            changes = len(made) != 1 or deviation(made[0], given) > self.tolerance
            if producer is None or producer in self.pairs or changes:
                break
            record = self.prepared.trace.records[producer]
        return record


def _operand(witness: Witness, record: Record, position: int) -> torch.Tensor:
    """The value of an operand as it was then, as far as its producer tells: it may be written to later."""
    operand = record.operands[position]
    now: torch.Tensor = tensors_in(witness.calls[record.index][1:])[position]
    made = witness.values_of(witness.trace.records[operand.producer]) if operand.producer is not None else []
    return made[0] if len(made) == 1 and made[0].shape == now.shape else now


def _matched(raw: Witness, prepared: Witness) -> Iterator[tuple[int, Record]]:
    ours, theirs = _by_module_call(prepared), _by_module_call(raw)
    for call, records in ours.items():
        others = theirs.get(call, [])
        matcher = SequenceMatcher(
            None, [r.key.op for r in others], [r.key.op for r in records], autojunk=False
        )
        for block in matcher.get_matching_blocks():
            for i in range(block.size):
                yield records[block.b + i].index, others[block.a + i]


def _by_module_call(witness: Witness) -> dict[tuple[str, int], list[Record]]:
    groups: dict[tuple[str, int], list[Record]] = {}
    for record in witness.trace.records:
        groups.setdefault((record.key.module, record.key.call), []).append(record)
    return groups
