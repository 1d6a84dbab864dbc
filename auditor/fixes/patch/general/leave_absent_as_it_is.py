"""A field of a state may be None (a layer without residual input), but is sliced or joined all the same.

Where other fields of the state are looked at first, these are, too: what is absent stays absent.
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


class LeaveAbsentAsItIs:
    """See the module's docstring."""

    name = "leave-absent-as-it-is"
    rank = 0

    def propose(self, _facts: Facts, finding: Finding, sources: Sources) -> Iterator[SourceEdit]:
        """Every such field in the functions of the file that make one state from another."""
        module = sources.module(finding.primary.file) if finding.cause is Cause.NONE_READ else None
        line = finding.primary.line or 0
        function = module.function(line) if module else None
        if module is None or function is None or not any(_states(module, function)):
            return
        functions = [n for n in ast.walk(module.tree) if isinstance(n, ast.FunctionDef)]
        edits = tuple(
            edit for f in functions for call in _states(module, f) for edit in _guarded(module, call)
        )
        if edits:
            yield SourceEdit(module.file, edits, "leave absent fields of a state absent")


def _states(module: Module, function: ast.FunctionDef) -> Iterator[ast.Call]:
    """What the function returns, where that is a new NamedTuple of this file."""
    known = {
        node.name
        for node in module.tree.body
        if isinstance(node, ast.ClassDef) and any(ast.unparse(b).endswith("NamedTuple") for b in node.bases)
    }
    for node in ast.walk(function):
        call = node.value if isinstance(node, ast.Return) else None
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in known:
            yield call


def _guarded(module: Module, call: ast.Call) -> Iterator[Edit]:
    for value in (*call.args, *(k.value for k in call.keywords)):
        field = _field(value)
        if field is not None:
            yield Edit.of(value, f"({module.code(value)} if {field} is not None else None)")


def _field(value: ast.expr) -> str | None:
    """The field that `s.x[...]`, `s.x.repeat(...)` or `torch.cat([s.x for s in states])` reads."""
    if isinstance(value, ast.Subscript):
        return _attribute(value.value)
    if not isinstance(value, ast.Call) or not isinstance(value.func, ast.Attribute):
        return None
    first = value.args[0] if value.args else None
    if value.func.attr == "cat" and isinstance(first, ast.ListComp) and isinstance(first.elt, ast.Attribute):
        return f"{ast.unparse(first.generators[0].iter)}[0].{first.elt.attr}"
    return _attribute(value.func.value) if value.func.attr == "repeat" else None


def _attribute(node: ast.expr) -> str | None:
    return ast.unparse(node) if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) else None


FAMILY = LeaveAbsentAsItIs()
