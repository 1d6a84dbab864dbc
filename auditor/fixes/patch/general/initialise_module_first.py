"""A module's constructor sets parameters before `super().__init__()` ran, or without it: run it first."""

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


class InitialiseModuleFirst:
    """See the module's docstring."""

    name = "initialise-module-first"
    rank = 1

    def propose(self, _facts: Facts, finding: Finding, sources: Sources) -> Iterator[SourceEdit]:
        """Start the constructor with the call; a later one is taken out."""
        if finding.cause is not Cause.MODULE_NOT_INITIALISED:
            return
        module = sources.module(finding.primary.file)
        function = module.function(finding.primary.line or 0) if module else None
        if module is None or function is None or function.name != "__init__":
            return
        first = _first_code(function)
        moved = [
            n
            for n in function.body
            if isinstance(n, ast.Expr) and ast.unparse(n).startswith("super().__init__(")
        ]
        call = module.code(moved[0]) if moved else "super().__init__()"
        removed = [Edit.of(node, "pass") for node in moved]
        yield SourceEdit(module.file, (*removed, Edit.before(first, call)), f"call `{call}` first")


def _first_code(function: ast.FunctionDef) -> ast.stmt:
    """The first statement behind the docstring."""
    body = function.body
    return body[1] if len(body) > 1 and ast.get_docstring(function) is not None else body[0]


FAMILY = InitialiseModuleFirst()
