"""Composition literals in user code: calls of the block classes of `adapters`, with names resolved."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .names import dotted

if TYPE_CHECKING:
    from .names import Imports
    from .source_file import SourceFile

BLOCKS = frozenset({"Stack", "Fuse", "Split", "Parallel", "MultiTask", "BatchSplit", "Average"})


@dataclass(frozen=True)
class Literal:
    """One block; `kind` is "str" for an adapter name and empty where nothing is known."""

    kind: str
    node: ast.expr
    children: tuple[Literal, ...] = ()
    keywords: dict[str, ast.expr] = field(default_factory=dict)
    open_ended: bool = False
    """The number of children or keywords is not known (`*names`, `**options`)."""


def outermost(source: SourceFile) -> Iterator[Literal]:
    """All block literals of the file that are not part of another one."""
    if not _imports_blocks(source.imports):
        return
    for scope in _scopes(source.tree):
        calls = [n for n in _in_scope(scope) if isinstance(n, ast.Call) and block_kind(n, source.imports)]
        if not calls:
            continue
        bound = _bound_once(scope, source.imports)
        read = {c: _read(c, source.imports, bound) for c in calls}
        inner = {id(node) for literal in read.values() for node in _inner_nodes(literal)}
        yield from (literal for call, literal in read.items() if id(call) not in inner)


def _imports_blocks(imports: Imports) -> bool:
    """A block can be named in this file: by itself, by its module, or by a starred import."""
    return any(
        name.rpartition(".")[2] in BLOCKS | {"adapters", "composition", "*"}
        for name in imports.origin.values()
    )


def block_kind(node: ast.Call, imports: Imports) -> str:
    """The class name of the block that a call makes; empty for any other call."""
    path = imports.resolve(dotted(node.func))
    module, _, name = path.rpartition(".")
    if name in BLOCKS and _is_composition(module):
        return name
    starred = not module and imports.resolve("*").startswith("adapters")
    return path if path in BLOCKS and starred else ""


def _is_composition(module: str) -> bool:
    return module in ("adapters", "adapters.composition") or module.endswith("..composition")


def _scopes(tree: ast.Module) -> list[ast.AST]:
    return [tree, *(n for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef)))]


def _in_scope(scope: ast.AST) -> Iterator[ast.AST]:
    pending = list(ast.iter_child_nodes(scope))
    while pending:
        node = pending.pop(0)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        yield node
        pending[:0] = ast.iter_child_nodes(node)


def _bound_once(scope: ast.AST, imports: Imports) -> dict[str, ast.Call]:
    """Names with a single assignment in the scope, to a block literal."""
    values: dict[str, list[ast.expr | None]] = {}
    for node in _in_scope(scope):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            values.setdefault(node.id, []).append(None)
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            values.setdefault(node.targets[0].id, []).append(node.value)
    found: dict[str, ast.Call] = {}
    for name, assigned in values.items():
        calls = [v for v in assigned if isinstance(v, ast.Call) and block_kind(v, imports)]
        if assigned.count(None) == 1 and len(calls) == 1:
            found[name] = calls[0]
    return found


def _read(node: ast.expr, imports: Imports, bound: dict[str, ast.Call], depth: int = 0) -> Literal:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return Literal("str", node)
    target = bound.get(node.id) if isinstance(node, ast.Name) else node
    kind = block_kind(target, imports) if isinstance(target, ast.Call) and depth < 20 else ""
    if not kind or not isinstance(target, ast.Call):
        return Literal("", node)
    children = tuple(
        _read(a, imports, bound, depth + 1) for a in target.args if not isinstance(a, ast.Starred)
    )
    return Literal(
        kind,
        node,
        children,
        {k.arg: k.value for k in target.keywords if k.arg},
        any(isinstance(a, ast.Starred) for a in target.args) or any(k.arg is None for k in target.keywords),
    )


def _inner_nodes(literal: Literal) -> Iterator[ast.expr]:
    for child in literal.children:
        yield child.node
        yield from _inner_nodes(child)
