"""An expanded tensor meets one with the caller's B rows: replicate the latter just before they meet.

The operands' expressions are read from the failing statement, their roles from the trace. The name is
rebound right before the use, so that a tensor which is also returned, or carried to later layers, goes
there as it came. Where the statement is in another package (the library calls a function of
transformers), the call in the library is preferred.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from ....knowledge.library_names import ADAPTERS
from ....schema.verdicts import Cause
from ....source.parsed_module import Edit, Module, Sources, calls
from ....trace.records import Lane, Record, Site
from ..family import SourceEdit
from ..operands import first_tensor_name, is_plain, operand_groups
from ..suspects import meetings

if TYPE_CHECKING:
    from ....facts.facts import Facts
    from ....schema.result import Finding

HELPER, HELPER_MODULE = ADAPTERS.replicate, ADAPTERS.composition
MAX_PROPOSALS = 4
Pair = tuple[ast.expr, ast.expr]
"""What lacks the lanes, and what has them."""


class ReplicateOperand:
    """See the module's docstring."""

    name = "replicate-operand"
    rank = 1

    def propose(self, facts: Facts, finding: Finding, sources: Sources) -> Iterator[SourceEdit]:
        """Replicate the operand that the trace says is unexpanded, or either one where it does not say."""
        if facts.axes.lanes == 1 or facts.static is None:
            return
        found = (
            replace(edit, likely=_is_reported(facts, finding, place.record))
            for place in meetings(facts, finding)
            for edit in (
                *_at_callers(facts, place.record, place.frames, sources),
                *_at(facts, place.record, place.site, sources),
            )
        )
        yield from islice(_once(found), MAX_PROPOSALS)


def _once(edits: Iterable[SourceEdit]) -> Iterator[SourceEdit]:
    seen: set[SourceEdit] = set()
    for edit in edits:
        if edit not in seen:
            seen.add(edit)
            yield edit


def _is_reported(facts: Facts, finding: Finding, record: Record | None) -> bool:
    """Whether shapes speak for it: the trace must know who lacks the lanes; not even a failure about
    sizes does, when nothing is there to replicate."""
    if record is not None and _roles(facts, record) is not None:
        return True
    return finding.cause not in (Cause.LANE_DEPARTS, Cause.EMPTY_OPERAND)


def _at(facts: Facts, record: Record | None, site: Site, sources: Sources) -> Iterator[SourceEdit]:
    """Proposals at the statement itself."""
    module = sources.module(site.file)
    statement = module.statement(site.line) if module else None
    if module is None or statement is None:
        return
    for pairs in _candidates(statement, facts, record):
        edits = replicating(module, statement, pairs)
        if edits:
            yield SourceEdit(module.file, edits, _title([module.code(shared) for shared, _ in pairs]))


def _at_callers(
    facts: Facts, record: Record | None, frames: Sequence[Site], sources: Sources
) -> Iterator[SourceEdit]:
    """Both operands came as arguments to a function outside the library: proposals at the call."""
    if len(frames) < 2 or _in_library(frames[0].file) or not _in_library(frames[1].file):
        return
    inner, outer = sources.module(frames[0].file), sources.module(frames[1].file)
    statement = inner.statement(frames[0].line) if inner else None
    calling = outer.statement(frames[1].line) if outer else None
    function = inner.function(frames[0].line) if inner else None
    if statement is None or calling is None or function is None or outer is None:
        return
    for pairs in _candidates(statement, facts, record):
        for call in calls(calling):
            given = [(_argument(call, function, s), _argument(call, function, e)) for s, e in pairs]
            known = [(s, e) for s, e in given if s is not None and e is not None]
            edits = replicating(outer, calling, known) if len(known) == len(given) and known else ()
            if edits:
                yield SourceEdit(outer.file, edits, _title([outer.code(s) for s, _ in known]))


def _argument(call: ast.Call, function: ast.FunctionDef, operand: ast.expr) -> ast.expr | None:
    """What a call gives for the parameter that an operand is (or is computed from)."""
    name = first_tensor_name(operand)
    called = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if not isinstance(name, ast.Name) or called != function.name:
        return None
    for keyword in call.keywords:
        if keyword.arg == name.id:
            return keyword.value
    names = [a.arg for a in function.args.args if a.arg != "self"]
    if name.id not in names or names.index(name.id) >= len(call.args):
        return None
    return call.args[names.index(name.id)]


def _title(values: list[str]) -> str:
    return f"replicate {', '.join(f'`{v}`' for v in sorted(set(values)))} for the lanes"


def _in_library(file: str) -> bool:
    return file.split("/", maxsplit=1)[0] == HELPER_MODULE.split(".", maxsplit=1)[0]


def _candidates(statement: ast.stmt, facts: Facts, record: Record | None) -> Iterator[list[Pair]]:
    """Sets of pairs to repair together, the likeliest first."""
    roles = _roles(facts, record) if record is not None else None
    groups = list(operand_groups(statement, record.key.op if record is not None else ""))
    if roles is not None:
        alike = [(g[roles[0]], g[roles[1]]) for g in groups if len(g) == 2 and max(roles) < len(g)]
        if len(alike) > 1:
            yield [(s, e) for s, e in alike if is_plain(s)]
        yield from ([(g[roles[0]], g[roles[1]])] for g in groups if max(roles) < len(g))
    for group in groups if record is None else ():  # a function compares rows: those of the tensors behind
        roots = [r for r in map(first_tensor_name, group) if isinstance(r, ast.Name)]
        if len(group) == len(roots) == 2:
            yield [(roots[1], roots[0])]
    for group in groups:
        if len(group) == 2 or record is None:  # no op ran: the first two are what a function compares
            first, second = group[:2]
            yield [(second, first)]
            yield [(first, second)]


def _roles(facts: Facts, record: Record) -> tuple[int, int] | None:
    """Positions of the shared and of the expanded operand of the op, where the trace tells."""
    assert facts.static is not None
    trace = facts.static.trace
    lanes = trace.operand_lanes(record)
    if Lane.SHARED in lanes and Lane.EXPANDED in lanes:
        return lanes.index(Lane.SHARED), lanes.index(Lane.EXPANDED)
    rows = [o.shape[0] if o.shape else 0 for o in record.operands]
    small, large = facts.axes.rows, facts.axes.rows * facts.axes.lanes
    return (rows.index(small), rows.index(large)) if small in rows and large in rows else None


def replicating(module: Module, statement: ast.stmt, pairs: Sequence[Pair]) -> tuple[Edit, ...]:
    """Edits that give each first expression the rows of the second one; empty when these are not known."""
    edits: dict[Edit, None] = {}
    for shared, expanded in pairs:
        reference = first_tensor_name(expanded)
        if reference is None or module.code(reference) == module.code(shared) or _no_tensor(shared):
            return ()
        edits |= dict.fromkeys(_one(module, statement, shared, module.code(reference)))
    return tuple(edits)


def _no_tensor(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in ("device", "dtype", "shape", "data", "T")


def _one(module: Module, statement: ast.stmt, shared: ast.expr, like: str) -> tuple[Edit, ...]:
    value = module.code(shared)
    if isinstance(shared, (ast.BinOp, ast.UnaryOp, ast.IfExp, ast.Compare, ast.BoolOp)):
        value = f"({value})"
    simple = isinstance(statement, (ast.Assign, ast.AugAssign, ast.Return, ast.Expr, ast.AnnAssign))
    if not _in_library(module.file):  # transformers must not import the library back
        code = f"{value}.repeat(max(1, {like}.shape[0] // {value}.shape[0]), *[1] * ({value}.dim() - 1))"
        rebound = f"{value} = {code}"
        return (
            Edit.before(statement, rebound) if is_plain(shared) and simple else Edit.of(shared, f"({code})"),
        )
    imports = () if module.binds(HELPER) else (module.importing(HELPER_MODULE, HELPER),)
    code = f"{HELPER}({like}, {value})"
    if is_plain(shared) and simple:
        return (*imports, Edit.before(statement, f"({value},) = {code}"))
    return (*imports, Edit.of(shared, f"{code}[0]"))


FAMILY = ReplicateOperand()
