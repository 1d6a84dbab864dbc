"""States are padded to one length, but what is padded can be seen: mask it.

An additive mask hides a position by the smallest number there is, not by one, and one of booleans by False;
a state without a mask needs one as soon as others are longer.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from ....schema.verdicts import IDLE, STOPS, Cause
from ....source.parsed_module import Edit, Module, Sources
from ..adapters_of_file import concerned
from ..family import SourceEdit
from ..library_names import LIBRARY

if TYPE_CHECKING:
    from ....facts.facts import Facts
    from ....schema.result import Finding

CAUSES = STOPS | IDLE | {Cause.LANE_DEPARTS}
MADE = """\
if len({{s.{keys}.shape[-2] for s in {states}}}) > 1:
    {states} = [
        s._replace({mask}=s.{keys}.new_full((len(s.{keys}), 1, 1, s.{keys}.shape[-2]), float(not s.{flag})))
        if s.{mask} is None else s for s in {states}
    ]
"""


class Padding(NamedTuple):
    """`F.pad(mask, ..., 1.0 if s.inverted else 0.0)` in a function over states with keys of any length."""

    function: ast.FunctionDef
    value: ast.IfExp
    mask: str
    keys: str
    states: str


class MaskWhatIsPadded:
    """See the module's docstring."""

    name = "mask-what-is-padded"
    rank = 2

    def propose(self, facts: Facts, finding: Finding, sources: Sources) -> Iterator[SourceEdit]:
        """All such functions of the library's files that ran."""
        if finding.cause not in CAUSES or facts.static is None or len(facts.names) < 2:
            return
        for file in sorted({r.site.file for r in facts.static.trace.records}):
            module = sources.module(file) if file.startswith(f"{LIBRARY}/methods/") else None
            edit = masking(module) if module is not None and concerned(facts, module) else None
            if edit is not None:
                yield edit


def masking(module: Module) -> SourceEdit | None:
    """The proposal for one file; None where nothing is padded, or it is masked already."""
    edits = tuple(edit for padding in _paddings(module) for edit in _masked(module, padding))
    return SourceEdit(module.file, edits, "mask what states are padded with") if edits else None


def _paddings(module: Module) -> Iterator[Padding]:
    for function in (n for n in ast.walk(module.tree) if isinstance(n, ast.FunctionDef)):
        nodes = list(ast.walk(function))
        lengths = [found for n in nodes if (found := _length_of(n)) is not None]
        for call in (n for n in nodes if isinstance(n, ast.Call) and ast.unparse(n.func).endswith(".pad")):
            mask, value = call.args[0], call.args[-1]
            chosen = isinstance(value, ast.IfExp) and isinstance(value.test, ast.Attribute)
            if chosen and isinstance(mask, ast.Name) and lengths:
                assert isinstance(value, ast.IfExp)
                if ast.unparse(value.body) == "1.0":
                    yield Padding(function, value, mask.id, *lengths[0])


def _length_of(node: ast.AST) -> tuple[str, str] | None:
    """Field and list of `[s.keys.shape[-2] for s in states]`."""
    if not isinstance(node, ast.ListComp) or not isinstance(node.elt, ast.Subscript):
        return None
    shape, states = node.elt.value, node.generators[0].iter
    if not isinstance(shape, ast.Attribute) or shape.attr != "shape" or not isinstance(states, ast.Name):
        return None
    return (shape.value.attr, states.id) if isinstance(shape.value, ast.Attribute) else None


def _masked(module: Module, padding: Padding) -> Iterator[Edit]:
    test = padding.value.test
    assert isinstance(test, ast.Attribute)
    smallest = f"(torch.finfo({padding.mask}.dtype).min if {padding.mask}.is_floating_point() else 0.0)"
    yield Edit.of(padding.value.body, smallest)
    first = next(s for s in padding.function.body if not _is_docstring(s))
    made = MADE.format(keys=padding.keys, states=padding.states, mask=padding.mask, flag=test.attr)
    yield Edit.before(first, made.rstrip().replace("\n", "\n" + " " * first.col_offset))
    if not module.binds("torch"):
        yield module.importing("", "torch")


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


FAMILY = MaskWhatIsPadded()
