"""Records what the rules look for while the data flow passes by."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .events import Interleaving, Meeting, StaleSize
from .flow_values import Shape, Size, Tensor, Value, outdated, tensors
from .frame import Frame


def shape_of(value: Tensor, node: ast.expr, line: int) -> Shape:
    """`x.shape` or `x.size()`: its first item is the batch size of `x`, read here."""
    if value.batch is None:
        return Shape()
    return Shape(Size(value.batch, ast.unparse(node), line, value.plain))


def meet(frame: Frame, node: ast.AST, operands: Sequence[tuple[ast.expr, Value]]) -> None:
    """Record arguments that were not replicated beside an operand that may have been."""
    grown = [t for _, v in operands for t in tensors(v) if t.batch is not None and t.batch.below]
    for other_node, value in operands:
        for other in tensors(value):
            if other.batch is None or not other.parameter:
                continue
            larger = next((t for t in grown if t.batch is not None and other.batch in t.batch.below), None)
            if larger is not None:
                key = (*position(node), other.parameter)
                event = Meeting(node, larger, other_node, other, frame.replicates, frame.function)
                frame.file.events.meetings.setdefault(key, event)


@dataclass(frozen=True)
class RowCount:
    """A row count in a call; with `sequence`, the expression is a shape that begins with it."""

    node: ast.expr
    value: Value
    use: Literal["reshape", "expand", "argument"]
    sequence: bool = False


def check_size(
    frame: Frame,
    call: ast.Call,
    tensor: tuple[ast.expr, Value],
    size: RowCount,
) -> bool:
    """Record a row count that may be too small for the tensor it is used on; True when it is."""
    found = outdated(tensor[1], size.value)
    if found is None or frame.statement is None:
        return False
    plain = found[1].plain and all(t.plain for t in tensors(tensor[1]))
    event = StaleSize(call, tensor[0], size.node, *found, size.use, frame.statement, plain, size.sequence)
    frame.file.events.stale.setdefault(position(call.func), event)
    return True


def interleaved(
    frame: Frame, call: ast.Call, method: Literal["repeat_interleave", "expand"], tensor: ast.expr
) -> None:
    """Record a replication in the wrong order."""
    frame.file.events.interleavings.setdefault(position(call), Interleaving(call, method, tensor))


def position(node: ast.AST) -> tuple[int, int]:
    """Where the name of the operation stands: in a chain of calls that is its last line."""
    line, column = getattr(node, "end_lineno", 0), getattr(node, "end_col_offset", 0)
    if isinstance(node, ast.Attribute):
        return line, column - len(node.attr.encode())
    return getattr(node, "lineno", line), getattr(node, "col_offset", column)
