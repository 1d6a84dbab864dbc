"""An override falls back on the parent's forward, which knows no adapters: take the override of that one.

Where an attention function cannot do what is asked for (weights as output), the class falls back on the
plain one by `super().forward`, although the file has that one with adapters, too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ....knowledge.library_names import ADAPTERS
from ....schema.verdicts import Invariant
from ....source.parsed_module import Edit, Module, Sources
from ..family import SourceEdit

if TYPE_CHECKING:
    from ....facts.facts import Facts
    from ....schema.result import Finding

FALL_BACK = "super().forward"


class FallBackWithAdapters:
    """See the module's docstring."""

    name = "fall-back-with-adapters"
    rank = 1

    def propose(self, facts: Facts, finding: Finding, sources: Sources) -> Iterator[SourceEdit]:
        """All such classes of the library's files that ran."""
        if finding.invariant is not Invariant.ATTENTION_PARITY or facts.static is None:
            return
        for file in sorted({r.site.file for r in facts.static.trace.records}):
            module = sources.module(file) if file.startswith(ADAPTERS.models) else None
            edits = tuple(_redirected(module, sources)) if module is not None else ()
            if edits:
                yield SourceEdit(file, edits, "fall back on the attention with adapters")


def _redirected(module: Module, sources: Sources) -> Iterator[Edit]:
    classes = [n for n in module.tree.body if isinstance(n, ast.ClassDef)]
    overrides = {base: c.name for c in classes for base in _bases(c)}
    for own in classes:
        for parent in _bases(own):
            grandparents = _bases_of(module, sources, parent)
            known = [overrides[g] for g in grandparents if g in overrides and overrides[g] != own.name]
            for call in (n for n in ast.walk(own) if isinstance(n, ast.Call)):
                if known and ast.unparse(call.func) == FALL_BACK and call.args:
                    yield Edit.of(call.func, f"{known[0]}.forward")
                    yield Edit.at(call.args[0], "self, ")


def _bases(node: ast.ClassDef) -> list[str]:
    return [base.id for base in node.bases if isinstance(base, ast.Name)]


def _bases_of(module: Module, sources: Sources, name: str) -> list[str]:
    """Bases of an imported class, read from the file that it comes from."""
    for node in module.tree.body:
        if isinstance(node, ast.ImportFrom) and node.module and any(a.name == name for a in node.names):
            origin = sources.module(node.module.replace(".", "/") + ".py") if not node.level else None
            for own in origin.tree.body if origin is not None else ():
                if isinstance(own, ast.ClassDef) and own.name == name:
                    return _bases(own)
    return []


FAMILY = FallBackWithAdapters()
