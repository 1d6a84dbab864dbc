"""A child of a composition has no modules in this layer, so its state is None: give it a neutral one.

The library decides by the first child whether states are joined at all, and takes the last child's name
for all. Neutral is zero where results are added and one where they are multiplied; the audit tells which.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from ....schema.verdicts import NONES, Cause
from ....source.parsed_module import Edit, Module, Sources
from ..family import SourceEdit

if TYPE_CHECKING:
    from ....facts.facts import Facts
    from ....schema.result import Finding

NEUTRAL = ("zeros_like", "ones_like")


class Joined(NamedTuple):
    """`<cat>([s.<attribute> for s in <states>]) if <states>[0].<attribute> is not None else None`."""

    node: ast.IfExp
    comprehension: ast.ListComp
    attribute: str
    states: str
    function: ast.FunctionDef


class AbsentState:
    """See the module's docstring."""

    name = "neutral-state-of-absent-child"
    rank = 2

    def propose(self, _facts: Facts, finding: Finding, sources: Sources) -> Iterator[SourceEdit]:
        """All joins of the file that the first state decides about, with either neutral value."""
        module = sources.module(finding.primary.file)
        about_none = finding.cause in NONES
        if module is None or not (about_none or finding.cause is Cause.LANE_DEPARTS):
            return
        joins = list(_joins(module))
        for neutral in NEUTRAL if joins else ():
            edits = [e for join in joins for e in _neutralised(join, neutral)]
            edits += [e for function in {j.function for j in joins} for e in _last_names(function)]
            yield SourceEdit(
                module.file,
                tuple(dict.fromkeys(edits)),
                f"join states of children without modules here ({neutral})",
                likely=about_none,
            )


def _joins(module: Module) -> Iterator[Joined]:
    for function in (n for n in ast.walk(module.tree) if isinstance(n, ast.FunctionDef)):
        for node in ast.walk(function):
            if not isinstance(node, ast.IfExp):
                continue
            for inner in ast.walk(node.body):
                found = _over_states(inner)
                if found is not None and ast.unparse(node.test) == f"{found[1]}[0].{found[0]} is not None":
                    assert isinstance(inner, ast.ListComp)
                    yield Joined(node, inner, *found, function)


def _over_states(node: ast.AST) -> tuple[str, str] | None:
    """Attribute and list of `[s.attribute for s in list]`."""
    if (
        not isinstance(node, ast.ListComp)
        or not isinstance(node.elt, ast.Attribute)
        or len(node.generators) != 1
    ):
        return None
    loop = node.generators[0]
    if not isinstance(loop.iter, ast.Name) or not isinstance(loop.target, ast.Name):
        return None
    return (node.elt.attr, loop.iter.id) if ast.unparse(node.elt.value) == loop.target.id else None


def _neutralised(join: Joined, neutral: str) -> Iterator[Edit]:
    like = _shaped_alike(join)
    if like is None:
        return
    loop = join.comprehension.generators[0].target
    assert isinstance(loop, ast.Name)
    name, attribute = loop.id, join.attribute
    value = f"{name}.{attribute} if {name}.{attribute} is not None else torch.{neutral}({name}.{like})"
    if neutral == "ones_like":  # factors may be one for all positions
        value = f"({value}).expand_as({name}.{like})"
    yield Edit.of(join.comprehension.elt, value)
    yield Edit.of(join.node.test, f"any({name}.{attribute} is not None for {name} in {join.states})")


def _shaped_alike(join: Joined) -> str | None:
    """Another attribute of the states that is never None: the last one the function reads unconditionally."""
    found = [
        node.attr
        for node in ast.walk(join.function)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, (ast.Name, ast.Subscript))
        and node.attr not in (join.attribute, "last", "shape", "layer_norm")
        and ast.unparse(node.value)
        in (f"{join.states}[0]", ast.unparse(join.comprehension.generators[0].target))
    ]
    return found[-1] if found else None


def _last_names(function: ast.FunctionDef) -> Iterator[Edit]:
    """`states[-1].last`: the name of the last child that has modules."""
    for node in ast.walk(function):
        if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Subscript):
            continue
        states, place = node.value.value, node.value.slice
        if isinstance(states, ast.Name) and ast.unparse(place) == "-1":
            last = f"(s.{node.attr} for s in reversed({states.id}) if s.{node.attr} is not None)"
            yield Edit.of(node, f"next({last}, None)")


FAMILY = AbsentState()
