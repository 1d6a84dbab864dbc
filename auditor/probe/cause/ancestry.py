"""What an op of a recorded run depends on."""

from __future__ import annotations

from collections.abc import Callable

from ...trace.op_kinds import MOVES
from ...trace.records import Record
from ..witness import Witness

FROM_NUMBERS = "aten.lift_fresh.default"
"""The op with which `torch.tensor` makes a tensor of numbers in the code."""


def behind(witness: Witness, record: Record, follow: Callable[[Record], bool]) -> set[int]:
    """The ops that the record depends on, as far back as they are to be followed."""
    found: set[int] = set()
    refused: set[int] = set()
    open_ends = [record]
    while open_ends:
        for operand in open_ends.pop().operands:
            producer = operand.producer
            if producer is None or producer in found or producer in refused:
                continue
            maker = witness.trace.records[producer]
            if follow(maker):
                found.add(producer)
                open_ends.append(maker)
            else:
                refused.add(producer)
    return found


def without_inputs(witness: Witness) -> set[int]:
    """Ops that depend on weights, on numbers in the code, or on nothing at all."""
    found: set[int] = set()
    for record in witness.trace.records:
        if record.key.op == FROM_NUMBERS or all(
            o.producer in found if o.producer is not None else o.source for o in record.operands
        ):
            found.add(record.index)
    return found


def told_alone(witness: Witness) -> set[int]:
    """Ops that only hand on what the code or the model says: numbers made of numbers, weights as they are."""
    numbers: set[int] = set()
    weights: set[int] = set()
    for record in witness.trace.records:
        given = record.operands
        if record.key.op == FROM_NUMBERS or all(o.producer in numbers for o in given):
            numbers.add(record.index)
        elif record.key.op in MOVES and all(o.producer in weights or o.source for o in given):
            weights.add(record.index)
    return numbers | weights
