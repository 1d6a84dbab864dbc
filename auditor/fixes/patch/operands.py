"""Which expression of a statement is which operand of the op that ran there."""

from __future__ import annotations

import ast
from collections.abc import Iterator

_OPERATORS: dict[type[ast.operator], tuple[str, ...]] = {
    ast.Add: ("add",),
    ast.Sub: ("sub",),
    ast.Mult: ("mul",),
    ast.Div: ("div",),
    ast.MatMult: ("matmul", "bmm", "mm"),
    ast.BitAnd: ("bitwise_and", "logical_and"),
    ast.BitOr: ("bitwise_or", "logical_or"),
}
_SAME = {"matmul": ("bmm", "expand", "mm"), "baddbmm": ("bmm",), "einsum": ("bmm",)}


def operand_groups(statement: ast.stmt, op: str) -> Iterator[list[ast.expr]]:
    """Lists of expressions that may be the operands, in order, of `op` (e.g. `aten.add_.Tensor`).

    Those whose operator or function is named like the op come first.
    """
    name = op.removeprefix("aten.").split(".")[0].strip("_")
    found = list(_combinations(statement))
    yield from (operands for names, operands in found if _fits(names, name))
    yield from (operands for names, operands in found if not _fits(names, name))


def _fits(names: tuple[str, ...], op: str) -> bool:
    return any(op in (n, *_SAME.get(n, ())) or (len(n) > 3 and n in op) for n in names)


def _combinations(statement: ast.stmt) -> Iterator[tuple[tuple[str, ...], list[ast.expr]]]:
    """Everything in the statement that combines two or more expressions, innermost first."""
    found: list[tuple[tuple[str, ...], list[ast.expr]]] = []
    for node in _own_nodes(statement):
        if isinstance(node, ast.BinOp):
            found.append((_OPERATORS.get(type(node.op), ()), [node.left, node.right]))
        elif isinstance(node, ast.AugAssign):
            found.append((_OPERATORS.get(type(node.op), ()), [node.target, node.value]))
        elif isinstance(node, ast.Call):
            found.append(((_called(node),), _arguments(node)))
    yield from (pair for pair in reversed(found) if len(pair[1]) >= 2)


def _own_nodes(statement: ast.stmt) -> Iterator[ast.AST]:
    """The statement and its expressions, without the statements nested in it."""
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop(0)
        yield node
        waiting += [c for c in ast.iter_child_nodes(node) if not isinstance(c, (ast.stmt, ast.excepthandler))]


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _arguments(node: ast.Call) -> list[ast.expr]:
    """Positional and keyword arguments; a method's object first; elements of a list one by one."""
    values: list[ast.expr] = []
    if isinstance(node.func, ast.Attribute) and not _is_module(node.func.value) and not _is_object(node.func):
        values.append(node.func.value)
    for value in (*node.args, *(k.value for k in node.keywords)):
        values += value.elts if isinstance(value, (ast.List, ast.Tuple)) else [value]
    return [v for v in values if not isinstance(v, (ast.Constant, ast.Starred)) and not _is_number(v)]


def _is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant)


def _is_object(function: ast.Attribute) -> bool:
    """`self.dense`, `super().forward`: a method or module of the object, which is no tensor."""
    owner = function.value
    called = owner.func if isinstance(owner, ast.Call) else owner
    return isinstance(called, ast.Name) and called.id in ("self", "super")


def _is_module(node: ast.expr) -> bool:
    """`torch`, `F`, `nn.functional`: names that functions are called from."""
    first = node
    while isinstance(first, ast.Attribute):
        first = first.value
    return isinstance(first, ast.Name) and first.id in ("torch", "F", "nn", "math", "np")


def is_plain(node: ast.expr) -> bool:
    """A name or an attribute chain: cheap to evaluate twice, and can be assigned to."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)


def first_tensor_name(node: ast.expr) -> ast.expr | None:
    """The first plain expression inside another one that may be a tensor: an argument, an operand."""
    if is_plain(node):
        return node
    children: list[ast.expr] = []
    if isinstance(node, ast.Call):
        children = _arguments(node)
    elif isinstance(node, ast.BinOp):
        children = [node.left, node.right]
    elif isinstance(node, ast.Subscript):
        children = [node.value]
    elif isinstance(node, ast.UnaryOp):
        children = [node.operand]
    for child in children:
        found = first_tensor_name(child)
        if found is not None:
            return found
    return None
