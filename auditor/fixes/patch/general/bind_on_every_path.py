"""A local is bound on some paths only and used on all: bind it at the beginning, to what others give it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ....facts.stop_causes import unbound_local
from ....schema.verdicts import Cause
from ....source.parsed_module import Edit, Sources
from ..family import SourceEdit
from ..suspects import failure_of

if TYPE_CHECKING:
    from ....facts.facts import Facts
    from ....schema.result import Finding


class BindOnEveryPath:
    """See the module's docstring."""

    name = "bind-on-every-path"
    rank = 1

    def propose(self, facts: Facts, finding: Finding, sources: Sources) -> Iterator[SourceEdit]:
        """One proposal for every value that the function gives the name and its parameters suffice for."""
        failure = failure_of(facts, finding) if finding.cause is Cause.LOCAL_UNBOUND else None
        name = unbound_local(failure) if failure is not None else ""
        module = sources.module(finding.primary.file)
        function = module.function(finding.primary.line or 0) if module else None
        if not name or module is None or function is None:
            return
        parameters = {a.arg for a in (*function.args.args, *function.args.kwonlyargs)}
        first = (
            function.body[1]
            if ast.get_docstring(function) is not None and len(function.body) > 1
            else function.body[0]
        )
        for value in _values(function, name):
            if {n.id for n in ast.walk(value) if isinstance(n, ast.Name)} <= parameters:
                code = f"{name} = {module.code(value)}"
                yield SourceEdit(module.file, (Edit.before(first, code),), f"bind `{code}` on every path")


def _values(function: ast.FunctionDef, name: str) -> Iterator[ast.expr]:
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id == name for t in node.targets
        ):
            yield node.value


FAMILY = BindOnEveryPath()
