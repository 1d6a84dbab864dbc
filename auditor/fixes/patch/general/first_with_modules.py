"""A composition's first adapter stands for all, but has no modules in this layer: take one that has."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ....schema.verdicts import Cause
from ....source.parsed_module import Edit, Sources
from ..family import SourceEdit

if TYPE_CHECKING:
    from ....facts.facts import Facts
    from ....schema.result import Finding


class FirstWithModules:
    """See the module's docstring."""

    name = "first-with-modules"
    rank = 2

    def propose(self, _facts: Facts, finding: Finding, sources: Sources) -> Iterator[SourceEdit]:
        """Replace `setup.first()`, whose result is looked up in the failing line."""
        module = sources.module(finding.primary.file) if finding.cause is Cause.KEY_MISSING else None
        line = finding.primary.line or 0
        statement, function = (module.statement(line), module.function(line)) if module else (None, None)
        if module is None or statement is None or function is None:
            return
        for lookup in (n for n in ast.walk(statement) if isinstance(n, ast.Subscript)):
            for call in _first_of(function, lookup.slice):
                assert isinstance(call.func, ast.Attribute)
                setup, modules = module.code(call.func.value), module.code(lookup.value)
                present = f"[name for name in sorted({setup}.flatten()) if name in {modules}]"
                code = f"next(iter({present}), {setup}.first())"
                code = f"{setup}.first() if {setup}.first() in {modules} else {code}"
                yield SourceEdit(
                    module.file, (Edit.of(call, code),), f"take an adapter that has `{modules}` here"
                )


def _first_of(function: ast.FunctionDef, key: ast.expr) -> Iterator[ast.Call]:
    """The calls `x.first()` that give the key its value."""
    if not isinstance(key, ast.Name):
        return
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id == key.id for t in node.targets
        ):
            value = node.value
            if (
                isinstance(value, ast.Call)
                and isinstance(value.func, ast.Attribute)
                and value.func.attr == "first"
            ):
                yield value


FAMILY = FirstWithModules()
