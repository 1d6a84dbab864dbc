"""Which line chose the module that a line calls: `name = setup.first()` above `self.layers[name](states)`."""

from __future__ import annotations

import ast

from ...source.parsed_module import Sources, calls
from ...trace.records import Site


def chosen_at(site: Site) -> Site:
    """Where the name is bound by which the called module was looked up; the call where nothing tells."""
    module = Sources().module(site.file)
    statement, function = (
        (module.statement(site.line), module.function(site.line)) if module else (None, None)
    )
    if statement is None or function is None:
        return site
    for call in calls(statement):
        line = _lookup(call.func, function)
        if line:
            return site._replace(line=line)
    return site


def _lookup(called: ast.expr, function: ast.FunctionDef) -> int:
    """The line that bound what a lookup depends on, as far back as names tell; 0 where there is none."""
    name = called.slice if isinstance(called, ast.Subscript) else called
    if not isinstance(name, ast.Name):
        return 0
    bindings = [n for n in ast.walk(function) if isinstance(n, ast.Assign) and _binds(n, name.id)]
    if len(bindings) != 1 or bindings[0].lineno > called.lineno:
        return 0  # an argument, a loop's variable, or one of several
    return _lookup(bindings[0].value, function) or bindings[0].lineno


def _binds(statement: ast.Assign, name: str) -> bool:
    return any(isinstance(target, ast.Name) and target.id == name for target in statement.targets)
