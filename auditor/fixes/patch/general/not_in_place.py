"""A tensor of the caller, or one that the backward pass needs, is written to in place: make a new one."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ....knowledge.library_names import ADAPTERS
from ....schema.verdicts import Cause, Invariant
from ....source.parsed_module import Edit, Module, Sources, calls
from ....source.source_files import absolute_file
from ..family import SourceEdit
from ..library_imports import imports

if TYPE_CHECKING:
    from ....facts.facts import Facts
    from ....schema.result import Finding

HELPER = ADAPTERS.replicate
_SIGNS: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


class NotInPlace:
    """See the module's docstring."""

    name = "not-in-place"
    rank = 1

    def propose(self, facts: Facts, finding: Finding, sources: Sources) -> Iterator[SourceEdit]:
        """In the function of the finding; for the backward pass, in the library's functions that ran."""
        places: dict[str, set[int]] = {}
        if finding.invariant is Invariant.PURITY and finding.primary.file:
            places[finding.primary.file] = {finding.primary.line or 0}
        elif finding.cause is Cause.WRITTEN_IN_PLACE and facts.static is not None:
            for record in facts.static.trace.records:
                if record.key.op.split(".")[1].endswith("_") and record.site.file.startswith(
                    f"{ADAPTERS.package}/"
                ):
                    places.setdefault(record.site.file, set()).add(record.site.line)
            places = places | {f: set(_calling(m)) for f, m in _beside(facts, sources) if f not in places}
        for file, lines in sorted(places.items()):
            module = sources.module(file)
            functions = {f for line in lines if module and (f := module.function(line)) is not None}
            edits = tuple(e for f in functions for e in _rewritten(module, f)) if module else ()
            if module and edits:
                uses_helper = any(HELPER in edit.text for edit in edits)
                needed = imports(module, {ADAPTERS.composition: (HELPER,)}) if uses_helper else ()
                yield SourceEdit(file, (*needed, *edits), "make new tensors instead of writing in place")


def _beside(facts: Facts, sources: Sources) -> Iterator[tuple[str, Module]]:
    """Files beside those of the library that ran, and what they import: hooks set up there run elsewhere."""
    assert facts.static is not None
    ran = {str(Path(r.site.file).parent) for r in facts.static.trace.records}
    own = [
        file for folder in sorted(ran) if folder.startswith(ADAPTERS.models) for file in _in_folder(folder)
    ]
    for file in dict.fromkeys((*own, *(f for name in own for f in _imported(sources.module(name))))):
        module = sources.module(file)
        if module is not None and f"{HELPER}_(" in module.text:
            yield file, module


def _in_folder(folder: str) -> list[str]:
    start = absolute_file(f"{folder}/__init__.py")
    return [f"{folder}/{path.name}" for path in sorted(Path(start).parent.glob("*.py"))] if start else []


def _imported(module: Module | None) -> Iterator[str]:
    """Files that a file imports from by relative names."""
    for node in module.tree.body if module is not None else ():
        if module is not None and isinstance(node, ast.ImportFrom) and node.level and node.module:
            package = module.file.split("/")[: -node.level]
            yield "/".join([*package, *node.module.split(".")]) + ".py"


def _calling(module: Module) -> Iterator[int]:
    """Lines of functions that replicate in place."""
    yield from (c.lineno for c in calls(module.tree) if ast.unparse(c.func) == f"{HELPER}_")


def _rewritten(module: Module, function: ast.FunctionDef) -> Iterator[Edit]:
    """`a += b` becomes `a = a + (b)`, and the helper in place the one that returns."""
    for node in ast.walk(function):
        if isinstance(node, ast.AugAssign) and type(node.op) in _SIGNS:
            target = module.code(node.target)
            yield Edit.of(node, f"{target} = {target} {_SIGNS[type(node.op)]} ({module.code(node.value)})")
        if not isinstance(node, ast.Expr):
            continue
        call = node.value
        if isinstance(call, ast.Call) and ast.unparse(call.func) == f"{HELPER}_":
            names = [module.code(a) for a in call.args[1:]]
            like = module.code(call.args[0])
            places = [_place(a) for a in call.args[1:]]
            if all(isinstance(a, ast.Name) for a in call.args[1:]):
                yield Edit.of(node, f"({', '.join(names)},) = {HELPER}({like}, {', '.join(names)})")
            elif len(places) == 1 and places[0] is not None:
                given, place = places[0]
                code = f"(*{given}[:{place}], *{HELPER}({like}, {names[0]}), *{given}[{place + 1}:])"
                yield Edit.of(node, f"{given} = {code}")


def _place(node: ast.expr) -> tuple[str, int] | None:
    """Name and index of `given[2]`, an element of what a hook gets and returns."""
    if not isinstance(node, ast.Subscript) or not isinstance(node.value, ast.Name):
        return None
    index = node.slice
    return (
        (node.value.id, index.value) if isinstance(index, ast.Constant) and type(index.value) is int else None
    )


FAMILY = NotInPlace()
