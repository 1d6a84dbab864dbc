"""A layer's state is made of tensors with and without the lanes: replicate them as the state is made.

The composition's own functions cut every field of a state by the same rows, so all must have them. Which
fields are tensors is said by the function that repeats a state.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ....knowledge.library_names import ADAPTERS
from ....schema.verdicts import SIZES, Cause
from ....source.parsed_module import Edit, Module, Sources
from ..family import SourceEdit
from ..library_imports import imports
from ..suspects import frames_of

if TYPE_CHECKING:
    from ....facts.facts import Facts
    from ....schema.result import Finding

HELPER = ADAPTERS.replicate


class ReplicateWhatEnters:
    """See the module's docstring."""

    name = "replicate-what-enters"
    rank = 1

    def propose(self, facts: Facts, finding: Finding, sources: Sources) -> Iterator[SourceEdit]:
        """All states that are made and then composed in the file of a failure about sizes, or a caller's."""
        if facts.axes.lanes == 1 or not _is_about_sizes(finding):
            return
        callers = [
            site.file for site in frames_of(facts, finding) if site.file.startswith(f"{ADAPTERS.package}/")
        ]
        for file in dict.fromkeys(filter(None, (finding.primary.file, *callers))):
            module = sources.module(file)
            found = list(_entering(module)) if module is not None else []
            if module is not None and found and not _is_done(module, found):
                needed = imports(module, {ADAPTERS.composition: (HELPER,)})
                edits = (*needed, *(Edit.before(statement, _code(names)) for statement, names in found))
                yield SourceEdit(module.file, edits, "replicate what a layer's state is made of")
                return


def _is_about_sizes(finding: Finding) -> bool:
    """Rows that differ; a part of a state that has none left divides by zero."""
    return finding.cause in SIZES | {Cause.OPERANDS_MEET, Cause.NOTHING_LEFT}


def _is_done(module: Module, found: list[tuple[ast.stmt, list[str]]]) -> bool:
    return all(_code(names) in module.text for _, names in found)


def _code(names: list[str]) -> str:
    listed = ", ".join(names)
    longest = f"max((t for t in ({listed}) if t is not None), key=len)"
    return f"{listed} = {HELPER}({longest}, {listed})"


def _entering(module: Module) -> Iterator[tuple[ast.stmt, list[str]]]:
    """Statements `state = State(a, b, ...)` of functions that compose, and the names of its tensors."""
    for function in (n for n in ast.walk(module.tree) if isinstance(n, ast.FunctionDef)):
        nodes = list(ast.walk(function))
        if not any(isinstance(n, ast.Call) and ast.unparse(n.func) == "self.compose" for n in nodes):
            continue
        for node in nodes:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
                fields = _fields(module, ast.unparse(node.value.func))
                names = list(_tensors(node.value, fields, _repeated(module)))
                if len(names) > 1:
                    yield node, names


def _fields(module: Module, name: str) -> list[str]:
    """Fields of a NamedTuple of this file, in order."""
    for node in module.tree.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            annotated = (n.target for n in node.body if isinstance(n, ast.AnnAssign))
            return [target.id for target in annotated if isinstance(target, ast.Name)]
    return []


def _tensors(call: ast.Call, fields: list[str], repeated: frozenset[str]) -> Iterator[str]:
    given = [*zip(fields, call.args, strict=False), *((k.arg, k.value) for k in call.keywords)]
    for field, value in given:
        if field in repeated and isinstance(value, ast.Name):
            yield value.id


def _repeated(module: Module) -> frozenset[str]:
    """Fields of which something is repeated anywhere in the file: `state.x.repeat(...)`."""
    return frozenset(
        node.func.value.attr
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "repeat"
        and isinstance(node.func.value, ast.Attribute)
    )


FAMILY = ReplicateWhatEnters()
