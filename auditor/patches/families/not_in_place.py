"""A tensor that the backward pass needs is written to in place: make a new one instead."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..base import SourceEdit
from ..library import LIBRARY
from ..source import Edit, Module, Sources

if TYPE_CHECKING:
    from ...facts import Facts
    from ...result import Finding


class NotInPlace:
    """See the module's docstring."""

    name = "not-in-place"
    rank = 1

    def propose(self, facts: Facts, finding: Finding, sources: Sources) -> Iterator[SourceEdit]:
        """All statements `a += b` of the library that ran as an op in place, file by file."""
        about = "modified by an inplace operation" in finding.message or finding.invariant == "purity"
        if facts.static is None or not about:
            return
        places: dict[str, set[int]] = {}
        for record in facts.static.trace.records:
            if record.key.op.split(".")[1].endswith("_") and record.site.file.startswith(f"{LIBRARY}/"):
                places.setdefault(record.site.file, set()).add(record.site.line)
        for file, lines in sorted(places.items()):
            module = sources.module(file)
            edits = tuple(e for line in sorted(lines) for e in _rewritten(module, line)) if module else ()
            if edits:
                yield SourceEdit(file, edits, "make new tensors instead of writing in place")


_SIGNS: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


def _rewritten(module: Module, line: int) -> Iterator[Edit]:
    statement = module.statement(line)
    if isinstance(statement, ast.AugAssign) and type(statement.op) in _SIGNS:
        target, value = module.code(statement.target), module.code(statement.value)
        yield Edit.of(statement, f"{target} = {target} {_SIGNS[type(statement.op)]} ({value})")


FAMILY = NotInPlace()
