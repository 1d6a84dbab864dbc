"""Weighted states are averaged once more: `mean(stack * weights)` is the weighted sum divided by N."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ....schema.verdicts import Invariant
from ....source.parsed_module import Edit, Module, Sources, calls
from ..family import SourceEdit

if TYPE_CHECKING:
    from ....facts.facts import Facts
    from ....schema.result import Finding


class WeightedSum:
    """See the module's docstring."""

    name = "weighted-sum"
    rank = 0

    def propose(self, facts: Facts, finding: Finding, sources: Sources) -> Iterator[SourceEdit]:
        """Every mean over a product with `weights` that ran becomes a sum, file by file."""
        if finding.invariant is not Invariant.NEUTRALITY or facts.static is None:
            return
        places: dict[str, set[int]] = {}
        for record in facts.static.trace.records:
            if record.key.op.startswith("aten.mean"):
                places.setdefault(record.site.file, set()).add(record.site.line)
        for file, lines in sorted(places.items()):
            module = sources.module(file)
            edits = tuple(e for line in sorted(lines) for e in _summed(module, line)) if module else ()
            if edits:
                yield SourceEdit(file, edits, "sum the weighted states instead of averaging them again")


def _summed(module: Module, line: int) -> Iterator[Edit]:
    statement = module.statement(line)
    for call in calls(statement) if statement is not None else ():
        function = call.func
        if isinstance(function, ast.Attribute) and function.attr == "mean" and _weighted(call):
            yield Edit.of(function, f"{module.code(function.value)}.sum")


def _weighted(call: ast.Call) -> bool:
    """`torch.mean(<stack> * weights, dim=0)`: the average over the stacked axis."""
    if not call.args or not isinstance(call.args[0], ast.BinOp) or not isinstance(call.args[0].op, ast.Mult):
        return False
    first = call.args[0]
    return any(isinstance(n, ast.Name) and "weight" in n.id for n in (first.left, first.right))


FAMILY = WeightedSum()
