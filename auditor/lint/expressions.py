"""Values of expressions: what batch size each one has or holds."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from . import calls
from .flow_values import (
    Either,
    Global,
    Group,
    Lanes,
    Member,
    Shape,
    Tensor,
    Value,
    either,
    first_of,
    merged,
    sizes,
)
from .frame import Frame
from .names import constant
from .observe import meet, shape_of

_SAME_ROWS = frozenset({"data", "real", "imag", "grad", "mT"})


def evaluate(frame: Frame, node: ast.expr) -> Value:
    """The value of an expression; None when nothing is known about it."""
    frame.file.step()
    handler = _EXPRESSIONS.get(type(node))
    return handler(frame, node) if handler is not None else None


def _name(frame: Frame, node: ast.Name) -> Value:
    return frame.lookup(node.id)


def _attribute(frame: Frame, node: ast.Attribute) -> Value:
    value = evaluate(frame, node.value)
    if node.attr == "parallel_channels":
        return Lanes()
    return either(_attribute_of(v, node) for v in (value.values if isinstance(value, Either) else (value,)))


def _attribute_of(value: Value, node: ast.Attribute) -> Value:
    if isinstance(value, Tensor):
        if node.attr == "shape":
            return shape_of(value, node.value, node.lineno)
        return value if node.attr in _SAME_ROWS else None
    if isinstance(value, Member):
        return Member(f"{value.path}.{node.attr}")
    if isinstance(value, Global):
        return Global(f"{value.path}.{node.attr}")
    return None


def _subscript(frame: Frame, node: ast.Subscript) -> Value:
    value = evaluate(frame, node.value)
    for inner in ast.walk(node.slice):
        if isinstance(inner, ast.Call):
            evaluate(frame, inner)
    return either(_item(v, node.slice) for v in (value.values if isinstance(value, Either) else (value,)))


def _item(value: Value, index: ast.expr) -> Value:
    if isinstance(value, Member):
        return value
    if isinstance(value, (Shape, Group)):
        return _sequence_item(value, index)
    if not isinstance(value, Tensor):
        return None
    first = index.elts[0] if isinstance(index, ast.Tuple) and index.elts else index
    if _is_whole(first):
        return replace(value, is_tuple=False)
    number = constant(index)
    return replace(value, is_tuple=False) if value.is_tuple and number is not None else None


def _sequence_item(value: Shape | Group, index: ast.expr) -> Value:
    if isinstance(index, ast.Slice):
        return Shape(first_of(value)) if index.lower is None or constant(index.lower) == 0 else None
    number = constant(index)
    if number == 0:
        return first_of(value)
    if isinstance(value, Group) and number is not None and -len(value.items) <= number < len(value.items):
        return value.items[number]
    return None


def _is_whole(index: ast.expr) -> bool:
    whole = isinstance(index, ast.Slice) and index.lower is None and index.upper is None
    return whole or (isinstance(index, ast.Constant) and index.value is Ellipsis)


def _sequence(frame: Frame, node: ast.Tuple | ast.List) -> Value:
    values = [evaluate(frame, e.value if isinstance(e, ast.Starred) else e) for e in node.elts]
    if any(isinstance(e, ast.Starred) for e in node.elts):
        starred = isinstance(node.elts[0], ast.Starred)
        return Shape(first_of(values[0]) if starred else values[0])
    return Group(tuple(values))


def _binary(frame: Frame, node: ast.BinOp) -> Value:
    left, right = evaluate(frame, node.left), evaluate(frame, node.right)
    operands = [t for t in (merged(left), merged(right)) if t is not None]
    if operands:
        meet(frame, node, [(node.left, left), (node.right, right)])
        return calls.combine(operands, node)
    return _number(node.op, left, right)


def _number(op: ast.operator, left: Value, right: Value) -> Value:
    rows = list(sizes(left)) or list(sizes(right))
    if isinstance(op, ast.Add) and not rows:
        first = first_of(left)
        return Shape(first) if first is not None else None
    if isinstance(op, ast.FloorDiv) and any(sizes(left)):
        return Lanes() if any(sizes(right)) else None
    if isinstance(op, ast.Mult) and rows:
        return either(replace(s, plain=False) for s in rows)
    return None


def _conditional(frame: Frame, node: ast.IfExp) -> Value:
    evaluate(frame, node.test)
    return either((evaluate(frame, node.body), evaluate(frame, node.orelse)))


def _boolean(frame: Frame, node: ast.BoolOp) -> Value:
    return either([evaluate(frame, v) for v in node.values])


def _compare(frame: Frame, node: ast.Compare) -> Value:
    operands = [merged(evaluate(frame, n)) for n in (node.left, *node.comparators)]
    return calls.combine([t for t in operands if t is not None], node)


def _unary(frame: Frame, node: ast.UnaryOp) -> Value:
    value = evaluate(frame, node.operand)
    return None if isinstance(node.op, ast.Not) else merged(value)


def _walrus(frame: Frame, node: ast.NamedExpr) -> Value:
    value = evaluate(frame, node.value)
    frame.env[node.target.id] = value
    return value


def _comprehension(frame: Frame, node: ast.ListComp | ast.GeneratorExp | ast.SetComp) -> Value:
    inner = frame.branch()
    for generator in node.generators:
        source = evaluate(inner, generator.iter)
        for name in ast.walk(generator.target):
            if isinstance(name, ast.Name):
                inner.env[name.id] = _each(source)
    value = merged(evaluate(inner, node.elt))
    return replace(value, is_tuple=True) if value is not None else None


def _each(value: Value) -> Value:
    if isinstance(value, Group):
        return either(value.items)
    if isinstance(value, Tensor):
        return replace(value, is_tuple=False) if value.is_tuple else None
    return value if isinstance(value, Member) else None


def _call(frame: Frame, node: ast.Call) -> Value:
    return calls.call(frame, node)


_EXPRESSIONS: dict[type[ast.expr], Callable[[Frame, Any], Value]] = {
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Subscript: _subscript,
    ast.Tuple: _sequence,
    ast.List: _sequence,
    ast.BinOp: _binary,
    ast.IfExp: _conditional,
    ast.BoolOp: _boolean,
    ast.Compare: _compare,
    ast.UnaryOp: _unary,
    ast.NamedExpr: _walrus,
    ast.ListComp: _comprehension,
    ast.GeneratorExp: _comprehension,
    ast.SetComp: _comprehension,
    ast.Call: _call,
}
