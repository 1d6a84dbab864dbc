"""A replaced module takes over an attribute only if the original has it, and keeps a fresh one otherwise.

`if old.bias is not None: new.bias = old.bias` leaves the new module's own, uninitialised bias in place.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ....schema.verdicts import Invariant
from ....source.parsed_module import Edit, Module, Sources
from ..family import SourceEdit

if TYPE_CHECKING:
    from ....facts.facts import Facts
    from ....schema.result import Finding


class CopyAbsenceToo:
    """See the module's docstring."""

    name = "copy-absence-too"
    rank = 1

    def propose(self, _facts: Facts, finding: Finding, sources: Sources) -> Iterator[SourceEdit]:
        """Give every such condition of the file an `else` that copies the absence."""
        module = sources.module(finding.primary.file) if finding.invariant is Invariant.INIT_PARITY else None
        if module is None:
            return
        edits = tuple(
            e for node in ast.walk(module.tree) if isinstance(node, ast.If) for e in _absence(module, node)
        )
        if edits:
            yield SourceEdit(module.file, edits, "copy the absence of an attribute, too")


def _absence(module: Module, node: ast.If) -> Iterator[Edit]:
    if node.orelse or len(node.body) != 1 or not isinstance(node.body[0], ast.Assign):
        return
    (target, *more), value = node.body[0].targets, node.body[0].value
    if more or not isinstance(target, ast.Attribute) or not isinstance(value, ast.Attribute):
        return
    if target.attr == value.attr and ast.unparse(node.test) == f"{ast.unparse(value)} is not None":
        outer, inner = " " * node.col_offset, " " * node.body[0].col_offset
        yield Edit.after(node.body[0], f"\n{outer}else:\n{inner}{module.code(target)} = None")


FAMILY = CopyAbsenceToo()
