"""Stacked adapters of a layer whose input and output differ in width: each takes the layer's input.

The second adapter is given what the first one made, which has the layer's output width. Where the widths
do not fit, what both make of the layer's input is added up.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ....schema.verdicts import Cause
from ....source.parsed_module import Edit, Module, Sources
from ..family import SourceEdit

if TYPE_CHECKING:
    from ....facts.facts import Facts
    from ....schema.result import Finding


class AddUpStackedWidths:
    """See the module's docstring."""

    name = "add-up-stacked-widths"
    rank = 0

    def propose(self, facts: Facts, finding: Finding, sources: Sources) -> Iterator[SourceEdit]:
        """All functions of the file that take the layer's input where nothing was made yet."""
        if finding.cause is not Cause.WIDTHS_DIFFER or len(facts.names) < 2:
            return
        module = sources.module(finding.primary.file)
        edits = tuple(_edits(module)) if module is not None else ()
        if module is not None and edits:
            yield SourceEdit(module.file, edits, "add up what stacked adapters make, where widths do not fit")


def _edits(module: Module) -> Iterator[Edit]:
    for function in (n for n in ast.walk(module.tree) if isinstance(n, ast.FunctionDef)):
        found = next((n for n in function.body if isinstance(n, ast.If) and _takes_input(n)), None)
        returned = [n.value for n in function.body if isinstance(n, ast.Return)]
        names = {a.arg for a in function.args.args}
        if found is None or not returned or not isinstance(returned[-1], ast.Tuple):
            continue
        made, given = _pair(found)
        if {made, given} <= names:
            code = (
                f"if {made} is not None and {made}.shape[-1] != {given}.shape[-1]:\n"
                f"    added, *more = self.{function.name}({made}=None, {given}={given})\n"
                f"    return ({made} + added, *more)\n"
            )
            indent = " " * found.col_offset
            yield Edit.at(found, code.replace("\n", f"\n{indent}"))


def _takes_input(node: ast.If) -> bool:
    return all(_pair(node))


def _pair(node: ast.If) -> tuple[str, str]:
    """`if made is None: made = given`."""
    body = node.body[0] if len(node.body) == 1 and not node.orelse else None
    if isinstance(body, ast.Assign) and isinstance(body.value, ast.Name):
        made = ast.unparse(body.targets[0])
        if ast.unparse(node.test) == f"{made} is None":
            return made, body.value.id
    return "", ""


FAMILY = AddUpStackedWidths()
