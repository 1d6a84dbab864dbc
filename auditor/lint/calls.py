"""Transfer functions of calls: what a call does to the batch size of its operands.

A call of a submodule may replicate the rows (it may be wrapped by an adapter layer); a function or a
tensor method keeps the rows of its largest operand unless it is known to do something else.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from .flow_values import (
    Either,
    Function,
    Global,
    Group,
    Lanes,
    Member,
    Shape,
    Size,
    Tensor,
    Value,
    combined,
    either,
    first_of,
    highest,
    merged,
    sizes,
    tensors,
)
from .frame import Frame
from .methods import METHODS, MethodCall, reshape
from .names import constant
from .observe import RowCount, check_size, interleaved, meet, position
from .scope import LANE_HELPERS, MATCH, REPLICATE, REPLICATE_IN_PLACE, calls_adapters

_ROWWISE = re.compile(r"dropout|norm|^ln_|act(ivation)?(_fn)?$|rotary|embed")
"""Submodules that no adapter method wraps, by the words that name their role."""
_ATTENTION = re.compile(r"att(entio)?n")
_MEETING = frozenset({"add", "mul", "sub", "where", "matmul", "bmm", "baddbmm"})
_OTHER_SIZE = frozenset({"index_select", "tensor", "arange", "finfo", "isinstance"})


@dataclass(frozen=True)
class Operands:
    """Evaluated arguments of a call, in order, each with its expression."""

    positional: tuple[tuple[ast.expr, Value], ...]
    keywords: tuple[tuple[str, ast.expr, Value], ...]

    @property
    def all(self) -> list[tuple[ast.expr, Value]]:
        """Positional, then keyword arguments."""
        return [*self.positional, *((node, value) for _, node, value in self.keywords)]

    def keyword(self, name: str) -> Value:
        """Value of a keyword argument, or None."""
        return next((value for key, _, value in self.keywords if key == name), None)


def combine(operands: Sequence[Tensor], node: ast.AST) -> Tensor | None:
    """The tensor that an operation on these makes."""
    return combined(operands, line=getattr(node, "lineno", 0))


def call(frame: Frame, node: ast.Call) -> Value:
    """The value of a call."""
    if isinstance(node.func, ast.Attribute):
        target = frame.file.evaluate(frame, node.func.value)
        receiver = merged(target)
        if receiver is not None:
            return _method(frame, node, node.func, target)
    function = frame.file.evaluate(frame, node.func)
    operands = _operands(frame, node)
    return either(_apply(frame, node, f, operands) for f in _callables(function))


def _callables(function: Value) -> tuple[Value, ...]:
    return function.values if isinstance(function, Either) else (function,)


def _operands(frame: Frame, node: ast.Call) -> Operands:
    def value(argument: ast.expr) -> Value:
        inner = argument.value if isinstance(argument, ast.Starred) else argument
        return frame.file.evaluate(frame, inner)

    return Operands(
        tuple((a, value(a)) for a in node.args),
        tuple((k.arg or "", k.value, value(k.value)) for k in node.keywords),
    )


def _apply(frame: Frame, node: ast.Call, function: Value, operands: Operands) -> Value:
    if isinstance(function, Function):
        return _enter(frame, function, operands)
    if isinstance(function, Global):
        return _global(frame, node, function.path, operands)
    if isinstance(function, Member):
        return _member(frame, node, function.path, operands)
    if isinstance(function, Tensor):
        return _module(frame, node, ast.unparse(node.func), operands)
    return _operation(frame, node, operands, meets=False)


def _enter(frame: Frame, function: Function, operands: Operands) -> Value:
    keywords = {key: value for key, _, value in operands.keywords if key}
    return frame.file.enter(frame, function, [value for _, value in operands.positional], keywords)


def _member(frame: Frame, node: ast.Call, path: str, operands: Operands) -> Value:
    name = path.rpartition(".")[2]
    if path == f"self.{name}" and name in frame.methods:
        return _enter(frame, Function(frame.methods[name], "method"), operands)
    stale = _check_pairs(frame, node, operands)
    if stale is not None:
        return Tensor(stale.batch)
    if name.startswith("_"):
        return _operation(frame, node, operands, meets=bool(_ATTENTION.search(name)))
    if name.startswith("rotary") and len(operands.positional) > 1:
        operands = replace(operands, positional=operands.positional[1:])  # the first gives only its dtype
    if _ROWWISE.search(name):
        return _operation(frame, node, operands, meets=False)
    return _module(frame, node, path, operands)


def _module(frame: Frame, node: ast.Call, path: str, operands: Operands) -> Value:
    """A submodule: an adapter inside it, or wrapped around it, may replicate the rows."""
    result = _operation(frame, node, operands, meets=False)
    if result is None or result.batch is None:
        return result
    if calls_adapters(path.rpartition(".")[2]):
        frame.replicates = True
    grown = result.batch.grown(f"`{path}(...)`", node.lineno)
    return Tensor(grown, plain=result.plain, is_tuple=True)


def _check_pairs(frame: Frame, node: ast.Call, operands: Operands) -> Size | None:
    """The row count among the arguments that is too small for a tensor among them, or None."""
    rows = [(n, v) for n, v in operands.all if any(sizes(v))]
    for size in rows:
        for tensor in operands.all:
            if any(tensors(tensor[1])) and check_size(frame, node, tensor, RowCount(*size, "argument")):
                return next(sizes(size[1]))
    return None


def _global(frame: Frame, node: ast.Call, path: str, operands: Operands) -> Value:
    name = path.rpartition(".")[2]
    if name in LANE_HELPERS:
        return _lane_helper(frame, node, name, operands)
    if operands.positional and name in _FUNCTIONS:
        return _FUNCTIONS[name](frame, node, operands)
    if name in _OTHER_SIZE:
        return None
    if "checkpoint" in name or any(_is_forward(v) for _, v in operands.positional):
        return _module(frame, node, path, operands)
    return _operation(frame, node, operands, meets=name in _MEETING or _is_attention(operands))


def _reshape(frame: Frame, node: ast.Call, operands: Operands) -> Value:
    first, *rest = operands.positional
    return reshape(frame, node, first, rest)


def _broadcast(frame: Frame, node: ast.Call, operands: Operands) -> Value:
    first, *rest = operands.positional
    return reshape(frame, node, first, rest, "expand")


def _interleave(frame: Frame, node: ast.Call, operands: Operands) -> Value:
    return _repeat_interleave(frame, node, operands.positional[0], operands)


def _same_sequence(_frame: Frame, _node: ast.Call, operands: Operands) -> Value:
    value = operands.positional[0][1]
    return value if isinstance(value, (Shape, Group)) else Shape(first_of(value))


def _length(_frame: Frame, node: ast.Call, _operands: Operands) -> Value:
    return Lanes() if "adapter_setup" in ast.unparse(node) else None


def _is_forward(value: Value) -> bool:
    """A submodule's forward, handed to a function that will call it."""
    return isinstance(value, Member) and value.path.endswith((".forward", ".__call__"))


def _is_attention(operands: Operands) -> bool:
    """A function that gets several tensors positionally combines them row by row."""
    return sum(any(tensors(v)) for _, v in operands.positional) > 2


def _operation(frame: Frame, node: ast.Call, operands: Operands, *, meets: bool) -> Tensor | None:
    if meets:
        meet(frame, node, operands.all)
    found = [t for t in (_as_tensor(v) for _, v in operands.all) if t is not None]
    result = combine(found, node)
    return replace(result, is_tuple=True) if result is not None else None


def _as_tensor(value: Value) -> Tensor | None:
    if isinstance(value, Group):
        return combined([t for t in (merged(v) for v in value.items) if t is not None])
    return merged(value)


def _created(_frame: Frame, _node: ast.Call, operands: Operands) -> Value:
    first = operands.positional[0][1]
    size = first_of(first) if isinstance(first, (Shape, Group)) else first
    row = next(sizes(size), None)
    return Tensor(row.batch, plain=row.plain, fixed=True) if row is not None else Tensor(None)


def _lane_helper(frame: Frame, node: ast.Call, name: str, operands: Operands) -> Value:
    frame.replicates = True
    values = [merged(v) for _, v in operands.positional]
    if name == MATCH:
        batch = highest((t.batch for t in values if t is not None), node.lineno)
        return Group(tuple(Tensor(batch) for _ in values))
    if not values or values[0] is None:
        return Group(tuple(v for _, v in operands.positional[1:]))
    replicated = tuple(_replicated(t, values[0]) for t in values[1:])
    if name == REPLICATE_IN_PLACE:
        for (argument, _), tensor in zip(operands.positional[1:], replicated, strict=True):
            if isinstance(argument, ast.Name):
                frame.env[argument.id] = tensor
        return None
    return Group(replicated) if name == REPLICATE else None


def _replicated(tensor: Tensor | None, reference: Tensor) -> Tensor | None:
    if tensor is None or tensor.batch is None:
        return tensor
    larger = reference.batch is None or reference.batch in tensor.batch.below
    return Tensor(tensor.batch if larger else reference.batch, plain=tensor.plain)


def _method(frame: Frame, node: ast.Call, func: ast.Attribute, target: Value) -> Value:
    operands = _operands(frame, node)
    receiver = (func.value, target)
    joint = Operands((receiver, *operands.positional), operands.keywords)
    if func.attr == "repeat_interleave":
        return _repeat_interleave(frame, node, receiver, joint)
    handler = METHODS.get(func.attr)
    if handler is not None:
        return handler(MethodCall(frame, node, receiver, operands.positional))
    return _operation(frame, node, joint, meets=func.attr.rstrip("_") in _MEETING)


def _repeat_interleave(
    frame: Frame, node: ast.Call, tensor: tuple[ast.expr, Value], operands: Operands
) -> Value:
    rest = operands.positional[1:]
    count = rest[0][1] if rest else operands.keyword("repeats")
    axis = constant(rest[1][0]) if len(rest) > 1 else _axis(node)
    rows = merged(tensor[1])
    if rows is None:
        return None
    if axis not in (0, None):
        return rows
    if any(isinstance(v, Lanes) for v in (count.values if isinstance(count, Either) else (count,))):
        interleaved(frame, node, "repeat_interleave", tensor[0])
    grown = rows.batch.grown("`repeat_interleave`", position(node)[0]) if rows.batch else None
    return Tensor(grown, plain=rows.plain)


def _axis(node: ast.Call) -> int | None:
    return next((constant(k.value) for k in node.keywords if k.arg == "dim"), None)


_FUNCTIONS: Mapping[str, Callable[[Frame, ast.Call, Operands], Value]] = {
    **dict.fromkeys(("zeros", "ones", "empty", "full", "rand", "randn"), _created),
    "reshape": _reshape,
    "broadcast_to": _broadcast,
    "repeat_interleave": _interleave,
    **dict.fromkeys(("tuple", "list", "Size"), _same_sequence),
    "len": _length,
}
"""Functions, by the last part of their name, that do something else than keep the rows of their operands."""
