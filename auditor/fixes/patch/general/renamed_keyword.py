"""An override takes a parameter under an old name, and the new one falls into its `**kwargs`: rename it.

The parent's method, as installed, says which names there are; the override's own parameter that is not
among them and is spelled nearly alike is the old one.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING

from ....knowledge.library_names import ADAPTERS
from ....schema.verdicts import Invariant
from ....source.parsed_module import Edit, Module, Sources
from ..family import SourceEdit

if TYPE_CHECKING:
    from ....facts.facts import Facts
    from ....schema.result import Finding

ALIKE = 0.85
"""How alike two spellings of one name are (ratio of difflib)."""
ABOUT_MODEL = frozenset({Invariant.INIT_PARITY, Invariant.CACHE_PARITY, Invariant.PADDING})
"""Invariants that an ignored argument breaks for any adapter, or for none at all."""


class RenamedKeyword:
    """See the module's docstring."""

    name = "renamed-keyword"
    rank = 1

    def propose(self, facts: Facts, finding: Finding, sources: Sources) -> Iterator[SourceEdit]:
        """All renamed parameters of one file whose code ran, file by file."""
        generating = facts.job.spec.mode in ("generate", "beam")
        if facts.static is None or (finding.invariant not in ABOUT_MODEL and not generating):
            return
        ran = {record.site.file for record in facts.static.trace.records}
        for file in sorted(f for f in ran if f.startswith(f"{ADAPTERS.package}/")):
            module = sources.module(file)
            edits: dict[Edit, None] = {}
            names: set[str] = set()
            for override, renamed in _renamed(module, sources) if module is not None else ():
                for old, new in renamed.items():
                    edits |= dict.fromkeys(_renaming(override, old, new))
                    names.add(f"`{old}` to `{new}`, as the parent calls it")
            if edits:
                yield SourceEdit(file, tuple(edits), f"rename {', '.join(sorted(names))}")


def _renamed(module: Module, sources: Sources) -> Iterator[tuple[ast.FunctionDef, dict[str, str]]]:
    """Overrides with `**kwargs`, and their name -> the parent's name of parameters that differ in that."""
    for node in (n for n in module.tree.body if isinstance(n, ast.ClassDef)):
        for override in (f for f in node.body if isinstance(f, ast.FunctionDef) and f.args.kwarg):
            for parent in _parents(module, node, sources):
                original = _method(parent, override.name)
                pairs = _pairs(override, original) if original is not None else {}
                if pairs:
                    yield override, pairs


def _pairs(override: ast.FunctionDef, original: ast.FunctionDef) -> dict[str, str]:
    own, theirs = _names(override), _names(original)
    lost = [name for name in theirs if name not in own]
    found = {}
    for name in (n for n in own if n not in theirs):
        near = get_close_matches(name, lost, 1, ALIKE)
        if near:
            found[name] = near[0]
    return found


def _names(function: ast.FunctionDef) -> list[str]:
    return [a.arg for a in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)]


def _parents(module: Module, node: ast.ClassDef, sources: Sources) -> Iterator[ast.ClassDef]:
    """Base classes that are imported by an absolute name."""
    names = {b.id for b in node.bases if isinstance(b, ast.Name)}
    for origin in (n for n in module.tree.body if isinstance(n, ast.ImportFrom)):
        imported = {a.name for a in origin.names if (a.asname or a.name) in names}
        if imported and origin.module and not origin.level:
            other = sources.module(origin.module.replace(".", "/") + ".py")
            for parent in other.tree.body if other is not None else ():
                if isinstance(parent, ast.ClassDef) and parent.name in imported:
                    yield parent


def _method(node: ast.ClassDef, name: str) -> ast.FunctionDef | None:
    return next((f for f in node.body if isinstance(f, ast.FunctionDef) and f.name == name), None)


def _renaming(function: ast.FunctionDef, old: str, new: str) -> Iterator[Edit]:
    """The parameter, its uses, and keywords of calls that hand it on to the object's own modules."""
    for node in ast.walk(function):
        if isinstance(node, ast.arg) and node.arg == old:
            yield Edit(node.lineno, node.col_offset, node.lineno, node.col_offset + len(old.encode()), new)
        elif isinstance(node, ast.Name) and node.id == old:
            yield Edit.of(node, new)
        elif isinstance(node, ast.keyword) and node.arg == old:
            yield Edit(node.lineno, node.col_offset, node.lineno, node.col_offset + len(old.encode()), new)


FAMILY = RenamedKeyword()
