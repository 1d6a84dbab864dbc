"""Which rows of an op's value end up in given rows of a later one: blocks cut, reorder and join rows.

Ops that only move rows are run once more on the numbers of their rows, so nothing has to be known about them.
All others give a row for each row, as far as the sizes tell.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import torch

from ...trace.op_kinds import MOVES, RESHAPES
from ...trace.records import Record
from ...trace.tensors import tensors_in, tensors_in_call, tensors_mapped
from ..witness import Witness

Needed = dict[tuple[int, int], set[int]]
"""Record and number of its output -> rows along the first axis."""

_INDEXING = frozenset({"aten.index.Tensor", "aten.index_select.default"})
"""Ops that move the first operand only, as the others say."""
_MOVING = (MOVES - {"aten._to_copy.default"} | _INDEXING) | {
    "aten.cat.default",
    "aten.flip.default",
    "aten.repeat.default",
    "aten.roll.default",
    "aten.stack.default",
}
_APART = 1_000_000
"""More rows than any operand has: its number times this, and the row, make a row's number."""


def needed_rows(
    witness: Witness, record: Record, rows: Collection[int], follow: Callable[[Record], bool]
) -> Needed:
    """What goes into these rows of the record, as far back as ops are to be followed; without itself."""
    needed: Needed = {(record.index, 0): set(rows)}
    for index in range(record.index, -1, -1):
        behind = witness.trace.records[index]
        wanted = {output: found for (of, output), found in needed.items() if of == index}
        if wanted and (index == record.index or follow(behind)):
            _ask_operands(witness, behind, wanted, needed, follow)
    del needed[record.index, 0]
    return needed


def _ask_operands(
    witness: Witness,
    record: Record,
    wanted: dict[int, set[int]],
    needed: Needed,
    follow: Callable[[Record], bool],
) -> None:
    _, args, kwargs = witness.calls[record.index]
    tensors = tensors_in_call(args, kwargs)
    for position, found in _rows_of_operands(witness, record, wanted, tensors).items():
        producer = record.operands[position].producer
        if producer is not None and found and follow(witness.trace.records[producer]):
            for output in _outputs_given(witness, producer, tensors[position]):
                needed.setdefault((producer, output), set()).update(found)


def _rows_of_operands(
    witness: Witness, record: Record, wanted: dict[int, set[int]], tensors: list[torch.Tensor]
) -> dict[int, set[int]]:
    if record.key.op in _MOVING:
        return _moved_rows(witness.calls[record.index], wanted, tensors)
    found: dict[int, set[int]] = {}
    for position, tensor in enumerate(tensors):
        rows = (r for output, out in wanted.items() for r in _alike(out, record.shapes[output], tensor.shape))
        found[position] = set(rows)
    return found


def _moved_rows(
    call: tuple[Any, Any, Any], wanted: dict[int, set[int]], tensors: list[torch.Tensor]
) -> dict[int, set[int]]:
    func, args, kwargs = call
    name = str(func)
    moved = tensors[:1] if name in _INDEXING else tensors
    numbers = {id(t): _row_numbers(t, position) for position, t in enumerate(moved)}
    args, kwargs = tensors_mapped((args, dict(kwargs)), lambda value: numbers.get(id(value), value))
    run = func if name not in RESHAPES else torch.reshape  # the numbers do not lie in memory as the values do
    outputs = tensors_in(run(*args, **kwargs))
    found: dict[int, set[int]] = {}
    for output, rows in wanted.items():
        for number in outputs[output][sorted(rows)].unique().tolist():
            position, row = divmod(int(number), _APART)
            found.setdefault(position, set()).add(row)
    return found


def _row_numbers(tensor: torch.Tensor, position: int) -> torch.Tensor:
    first = torch.arange(_size(tensor.shape), dtype=torch.float64) + position * _APART
    return first.view(-1, *[1] * (tensor.dim() - 1)).expand(tensor.shape) if tensor.dim() else first[0]


def _alike(rows: set[int], shape: tuple[int, ...], given: tuple[int, ...]) -> set[int]:
    """The rows of an operand that stand for these ones of the op's value, as far as the shapes tell.

    None where all became one row: then it is the op itself that has to be asked about, not each of them.
    """
    size, other = _size(shape), _size(given)
    if size == 1 < other and len(shape) == len(given):
        return set()
    if other and size % other == 0:
        return {row * other // size for row in rows}
    if size and other % size == 0:
        each = other // size
        return {row * each + k for row in rows for k in range(each)}
    return set(range(other))


def _size(shape: tuple[int, ...]) -> int:
    return shape[0] if len(shape) else 1


def _outputs_given(witness: Witness, producer: int, tensor: torch.Tensor) -> list[int]:
    """Which of the producer's outputs a tensor is; all where that is not to be told."""
    made = witness.returned[producer]
    found = [i for i, t in enumerate(made) if t is tensor or _is_same(t, tensor)]
    return found or list(range(len(made)))


def _is_same(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and one.data_ptr() == other.data_ptr()
