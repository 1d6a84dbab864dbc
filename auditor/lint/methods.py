"""Tensor methods that do something else with the rows than keep them."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from .flow_values import Either, Group, Lanes, Shape, Tensor, Value, either, first_of, merged, sizes, tensors
from .frame import Frame
from .names import constant
from .observe import RowCount, check_size, interleaved, shape_of

Operand: TypeAlias = "tuple[ast.expr, Value]"


@dataclass(frozen=True)
class MethodCall:
    """A call of a tensor method; operands are expressions with their values."""

    frame: Frame
    node: ast.Call
    tensor: Operand
    arguments: Sequence[Operand]


Method: TypeAlias = Callable[[MethodCall], Value]


def reshape(
    frame: Frame,
    node: ast.Call,
    tensor: Operand,
    arguments: Sequence[Operand],
    use: Literal["reshape", "expand"] = "reshape",
) -> Value:
    """`view`, `reshape` and `expand`: the first size is compared with the rows of the tensor."""
    before = merged(tensor[1])
    size = leading(arguments)
    if before is None or size is None:
        return before
    if use == "expand" and _is_lane_count(size[1]) and before.batch is not None:
        interleaved(frame, node, "expand", tensor[0])
    check_size(frame, node, tensor, RowCount(*size, use, _is_sequence(size[0], arguments[0])))
    rows = list(sizes(size[1]))
    if rows:
        return either(Tensor(s.batch, plain=s.plain) for s in rows)
    if use == "expand":
        return Tensor(before.batch, plain=before.plain)
    known = constant(size[0])
    return Tensor(None if known == 1 else before.batch, plain=False)


def leading(arguments: Sequence[Operand]) -> Operand | None:
    """The first of the sizes, given one by one, as a sequence, or starred."""
    if not arguments:
        return None
    node, value = arguments[0]
    if isinstance(value, (Shape, Group, Either)) and not any(sizes(value)):
        first = first_of(value)
        if first is not None or not isinstance(value, Either):
            if isinstance(node, (ast.Tuple, ast.List)) and node.elts:
                node = node.elts[0]
            return node, first
    return node, value


def _is_sequence(size: ast.expr, argument: Operand) -> bool:
    """The argument is one name for the whole shape."""
    node, value = argument
    return size is node and not any(sizes(value))


def _is_lane_count(value: Value) -> bool:
    return isinstance(value, Lanes)


def _view(call: MethodCall) -> Value:
    return reshape(call.frame, call.node, call.tensor, call.arguments)


def _expand(call: MethodCall) -> Value:
    if (
        len(call.arguments) > 1
        and _is_lane_count(call.arguments[1][1])
        and merged(call.tensor[1]) is not None
    ):
        interleaved(call.frame, call.node, "expand", call.tensor[0])
    return reshape(call.frame, call.node, call.tensor, call.arguments, "expand")


def _size(call: MethodCall) -> Value:
    if call.arguments and constant(call.arguments[0][0]) != 0:
        return None
    shapes = either(shape_of(t, call.tensor[0], call.node.lineno) for t in tensors(call.tensor[1]))
    return first_of(shapes) if call.arguments else shapes


def _swap(call: MethodCall) -> Value:
    axes = [constant(a) for a, _ in call.arguments]
    return _moved(call.tensor) if 0 in axes or None in axes else _kept(call.tensor)


def _permute(call: MethodCall) -> Value:
    first = call.arguments[0][0] if call.arguments else None
    if isinstance(first, (ast.Tuple, ast.List)) and first.elts:
        first = first.elts[0]
    return _kept(call.tensor) if constant(first) == 0 else _moved(call.tensor)


def _unsqueeze(call: MethodCall) -> Value:
    axis = constant(call.arguments[0][0]) if call.arguments else None
    return _moved(call.tensor) if axis in (0, None) else _kept(call.tensor)


def _flatten(call: MethodCall) -> Value:
    value = merged(call.tensor[1])
    if value is None or (call.arguments and constant(call.arguments[0][0]) not in (0, None)):
        return value
    return replace(value, plain=False)


def _repeat(call: MethodCall) -> Value:
    value = merged(call.tensor[1])
    if value is None or value.batch is None or not call.arguments or constant(call.arguments[0][0]) == 1:
        return value
    call.frame.replicates = True
    return Tensor(value.batch.grown("`repeat`", call.node.lineno), plain=value.plain)


def _pieces(call: MethodCall) -> Value:
    value = merged(call.tensor[1])
    return replace(value, is_tuple=True) if value is not None else None


def _receiver(call: MethodCall) -> Value:
    return call.tensor[1]


def _nothing(_call: MethodCall) -> Value:
    return None


def _as_other(call: MethodCall) -> Value:
    other = merged(call.arguments[0][1]) if call.arguments else None
    return replace(other, parameter="") if other is not None else merged(call.tensor[1])


def _created(call: MethodCall) -> Value:
    size = leading(call.arguments)
    row = next(sizes(size[1]), None) if size is not None else None
    return Tensor(row.batch, plain=row.plain, fixed=True) if row is not None else Tensor(None)


def _kept(tensor: Operand) -> Value:
    return tensor[1]


def _moved(tensor: Operand) -> Value:
    value = merged(tensor[1])
    return Tensor(None, plain=False) if value is not None else None


METHODS: Mapping[str, Method] = {
    **dict.fromkeys(("view", "reshape"), _view),
    **dict.fromkeys(("expand", "broadcast_to"), _expand),
    "size": _size,
    **dict.fromkeys(("transpose", "swapaxes", "movedim"), _swap),
    "permute": _permute,
    **dict.fromkeys(("unsqueeze", "squeeze"), _unsqueeze),
    "flatten": _flatten,
    "repeat": _repeat,
    **dict.fromkeys(("split", "chunk", "tensor_split"), _pieces),
    **dict.fromkeys(
        ("to", "type_as", "type", "float", "half", "bool", "long", "contiguous", "clone", "detach", "cuda"),
        _receiver,
    ),
    **dict.fromkeys(("dim", "numel", "item", "tolist", "stride", "unbind", "get", "pop", "append"), _nothing),
    **dict.fromkeys(("expand_as", "view_as", "reshape_as"), _as_other),
    **dict.fromkeys(("new_zeros", "new_ones", "new_empty", "new_full"), _created),
    **dict.fromkeys(("set_", "resize_", "resize_as_"), _as_other),
}
"""Method name -> what it returns; methods not listed keep the rows of their largest operand."""
