"""A tensor of the caller, or one that the backward pass needs, is written to in place: make a new one."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..base import SourceEdit
from ..library import COMPOSITION, LIBRARY, imports
from ..source import Edit, Module, Sources

if TYPE_CHECKING:
    from ...facts import Facts
    from ...result import Finding

HELPER = "adjust_tensors_for_parallel"
"""Replicates its arguments after the first one; with an underscore, in place."""
_SIGNS: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


class NotInPlace:
    """See the module's docstring."""

    name = "not-in-place"
    rank = 1

    def propose(self, facts: Facts, finding: Finding, sources: Sources) -> Iterator[SourceEdit]:
        """In the function of the finding; for the backward pass, in the library's functions that ran."""
        places: dict[str, set[int]] = {}
        if finding.invariant == "purity" and finding.primary.file:
            places[finding.primary.file] = {finding.primary.line or 0}
        elif "modified by an inplace operation" in finding.message and facts.static is not None:
            for record in facts.static.trace.records:
                if record.key.op.split(".")[1].endswith("_") and record.site.file.startswith(f"{LIBRARY}/"):
                    places.setdefault(record.site.file, set()).add(record.site.line)
        for file, lines in sorted(places.items()):
            module = sources.module(file)
            functions = {f for line in lines if module and (f := module.function(line)) is not None}
            edits = tuple(e for f in functions for e in _rewritten(module, f)) if module else ()
            if module and edits:
                uses_helper = any(HELPER in edit.text for edit in edits)
                needed = imports(module, {COMPOSITION: (HELPER,)}) if uses_helper else ()
                yield SourceEdit(file, (*needed, *edits), "make new tensors instead of writing in place")


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
            if all(isinstance(a, ast.Name) for a in call.args[1:]):
                like = module.code(call.args[0])
                yield Edit.of(node, f"({', '.join(names)},) = {HELPER}({like}, {', '.join(names)})")


FAMILY = NotInPlace()
