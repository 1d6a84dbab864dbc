"""The safe fix of a stale batch size: read it from the tensor that is reshaped."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from .names import constant

if TYPE_CHECKING:
    from adapter_audit.rules.source_rule import Edit

    from .events import StaleSize
    from .source_file import SourceFile

_KEEP_DIM_0 = frozenset({"contiguous", "clone", "detach", "float", "half"})


def edits_for(source: SourceFile, event: StaleSize) -> tuple[Edit, ...]:
    """Edits that make `bsz` (or the first item of a shape) `x.shape[0]`; empty when that is not safe.

    Where the tensor is an expression and not a name, it is first assigned to the name that the
    statement assigns anyway.
    """
    if not event.plain:
        return ()
    name = _base_name(event.tensor_node)
    if name:
        return _replaced_size(source, event, name)
    name = _target(event.statement)
    if not name or not _can_hoist(source, event, name):
        return ()
    replaced = _replaced_size(source, event, name)
    return (*_hoisted(source, event, name), *replaced) if replaced else ()


def _base_name(node: ast.expr) -> str:
    """`x` for `x`, `x.contiguous()`, `x.transpose(1, 2)`: its dim 0 is that of `x`."""
    while (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and _keeps_dim_0(node, node.func.attr)
    ):
        node = node.func.value
    return node.id if isinstance(node, ast.Name) else ""


def _keeps_dim_0(node: ast.Call, method: str) -> bool:
    if method == "transpose":
        return len(node.args) == 2 and all(constant(a) not in (None, 0) for a in node.args)
    return method in _KEEP_DIM_0 and not node.args


def _replaced_size(source: SourceFile, event: StaleSize, name: str) -> tuple[Edit, ...]:
    from adapter_audit.rules.source_rule import Edit

    node = event.size_node
    rows = f"{name}.shape[0]"
    inner = node.value if isinstance(node, ast.Starred) else node
    if not isinstance(inner, (ast.Name, ast.Attribute)):
        return ()
    text = source.segment(inner)
    if isinstance(node, ast.Starred):
        return (Edit.of(node, f"{rows}, *{text}[1:]"),)
    if event.sequence:
        return (Edit.of(node, f"({rows}, *{text}[1:])"),)
    return (Edit.of(node, rows),)


def _target(statement: ast.stmt) -> str:
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
        return target.id if isinstance(target, ast.Name) else ""
    return ""


def _can_hoist(source: SourceFile, event: StaleSize, name: str) -> bool:
    """The tensor is evaluated first in the statement, and the name means nothing else there."""
    assert isinstance(event.statement, ast.Assign)
    before = source.lines[event.statement.lineno - 1].encode()[: event.statement.col_offset]
    leftmost = event.statement.value
    while leftmost is not event.call:
        if isinstance(leftmost, ast.Call) and isinstance(leftmost.func, ast.Attribute):
            leftmost = leftmost.func.value
        else:
            return False
    uses = _uses(event.statement.value, name) - _uses(event.tensor_node, name)
    return not before.strip() and uses == 0


def _uses(node: ast.expr, name: str) -> int:
    return sum(isinstance(n, ast.Name) and n.id == name for n in ast.walk(node))


def _hoisted(source: SourceFile, event: StaleSize, name: str) -> tuple[Edit, Edit]:
    from adapter_audit.rules.source_rule import Edit

    segment = source.segment(event.tensor_node)
    if "\n" in segment:
        segment = f"({segment})"
    line, column = event.statement.lineno, event.statement.col_offset
    indent = source.lines[line - 1][:column]
    assignment = Edit(line, column, line, column, f"{name} = {segment}{source.newline}{indent}")
    return assignment, Edit.of(event.tensor_node, name)
