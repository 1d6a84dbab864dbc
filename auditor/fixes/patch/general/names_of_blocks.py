"""A block inside a composition is looked up like an adapter's name: look at the adapters instead.

Where a loop over a set-up looks every child up in a mapping, it goes over the names of all adapters; where
the children of a Fuse are its fusion layer's names, a block stands for its last adapter, as it does in the
name of the Fuse.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ....knowledge.library_names import ADAPTERS
from ....schema.verdicts import Cause
from ....source.parsed_module import Edit, Module, Sources
from ..family import SourceEdit
from ..suspects import frames_of

if TYPE_CHECKING:
    from ....facts.facts import Facts
    from ....schema.result import Finding

BLOCK = "CompositionBlock"
"""Part of the annotation of a parameter that is a set-up."""


class NamesOfBlocks:
    """See the module's docstring."""

    name = "names-of-blocks"
    rank = 1

    def propose(self, facts: Facts, finding: Finding, sources: Sources) -> Iterator[SourceEdit]:
        """The nearest place on the stack where children of a set-up are taken for names."""
        if finding.cause is not Cause.BLOCK_FOR_NAME:
            return
        for site in frames_of(facts, finding):
            module = sources.module(site.file)
            function = module.function(site.line) if module else None
            if module is None or function is None:
                continue
            edits = (*_loops(module, function, site.line), *_children(module, function))
            if edits:
                yield SourceEdit(module.file, edits, "look adapters up by their names, not blocks")


def _loops(module: Module, function: ast.FunctionDef, line: int) -> Iterator[Edit]:
    """`for name in setup:` around the line becomes a loop over the names of the set-up's adapters."""
    setups = {
        a.arg for a in function.args.args if a.annotation and ADAPTERS.block in ast.unparse(a.annotation)
    }
    for node in (n for n in ast.walk(function) if isinstance(n, ast.For)):
        around = node.lineno <= line <= (node.end_lineno or 0)
        if around and isinstance(node.iter, ast.Name) and node.iter.id in setups:
            yield Edit.of(node.iter, f"sorted({module.code(node.iter)}.flatten())")


def _children(module: Module, function: ast.FunctionDef) -> Iterator[Edit]:
    """`names = setup.children`, where the names of the children are meant."""
    for node in ast.walk(function):
        value = node.value if isinstance(node, ast.Assign) else None
        if (
            isinstance(value, ast.Attribute)
            and value.attr == "children"
            and isinstance(value.value, ast.Name)
        ):
            code = module.code(value)
            yield Edit.of(value, f"[c if isinstance(c, str) else c.last() for c in {code}]")


FAMILY = NamesOfBlocks()
