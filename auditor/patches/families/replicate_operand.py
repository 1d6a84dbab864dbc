"""An expanded tensor meets one with the caller's B rows: replicate the latter just before they meet.

The operands' expressions are read from the failing statement, their roles from the trace. The name is
rebound right before the use, so that a tensor which is also returned, or carried to later layers, goes
there as it came.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..base import SourceEdit
from ..operands import first_tensor_name, is_plain, operand_groups
from ..source import Edit, Module, Sources

if TYPE_CHECKING:
    from ...facts import Facts
    from ...result import Finding

HELPER, HELPER_MODULE = "adjust_tensors_for_parallel", "adapters.composition"
MAX_PROPOSALS = 4


class ReplicateOperand:
    """See the module's docstring."""

    name = "replicate-operand"

    def propose(self, facts: Facts, finding: Finding, sources: Sources) -> Iterator[SourceEdit]:
        """Replicate the operand that the trace says is unexpanded, or either one where it does not say."""
        if facts.static is None or facts.axes.lanes == 1 or finding.rule not in RULES:
            return
        module = sources.module(finding.primary.file)
        statement = module.statement(finding.primary.line or 0) if module else None
        if module is None or statement is None:
            return
        roles = _roles(facts, finding)
        seen = 0
        for operands in operand_groups(statement, finding.primary.op):
            for shared, expanded in _pairs(operands, roles):
                edits = replicating(module, statement, expanded, shared)
                if edits and seen < MAX_PROPOSALS:
                    seen += 1
                    yield SourceEdit(module.file, edits, f"replicate `{module.code(shared)}` for the lanes")


RULES = ("AA101", "AA102", "AA105", "AA201")
"""Findings at an op with several operands, where one of them may lack the lanes."""


def _roles(facts: Facts, finding: Finding) -> tuple[int, int] | None:
    """Positions of the shared and of the expanded operand of the op, where the trace tells."""
    from ...trace.records import Lane
    from ...trace.twins import operand_lane

    assert facts.static is not None
    if finding.primary.node is None:
        return None
    trace = facts.static.trace
    record = trace.records[finding.primary.node]
    lanes = [operand_lane(trace, record, i) for i in range(len(record.operands))]
    if Lane.SHARED in lanes and Lane.EXPANDED in lanes:
        return lanes.index(Lane.SHARED), lanes.index(Lane.EXPANDED)
    rows = [o.shape[0] if o.shape else 0 for o in record.operands]
    small, large = facts.axes.rows, facts.axes.rows * facts.axes.lanes
    if any(r and r % small == 0 and r * facts.axes.lanes in rows for r in rows) and large in rows:
        return rows.index(min(r for r in rows if r)), rows.index(large)
    return None


def _pairs(operands: list[ast.expr], roles: tuple[int, int] | None) -> Iterator[tuple[ast.expr, ast.expr]]:
    if roles is not None and max(roles) < len(operands):
        yield operands[roles[0]], operands[roles[1]]
    if len(operands) == 2:
        first, second = operands
        yield from [(second, first), (first, second)] if roles is None else [(operands[roles[1] % 2], operands[roles[0] % 2])]


def replicating(
    module: Module, statement: ast.stmt, expanded: ast.expr, shared: ast.expr
) -> tuple[Edit, ...]:
    """Edits that give `shared` the rows of `expanded` before `statement`; empty when they cannot be told."""
    reference = first_tensor_name(expanded)
    if reference is None or isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        return ()
    like, value = module.code(reference), module.code(shared)
    if like == value:
        return ()
    imports, replicated = _replicated(module, like, value)
    if is_plain(shared) and _simple(statement):
        target = f"({value},)" if imports is not None else value
        code = replicated if imports is not None else replicated
        return (*(imports or ()), Edit.before(statement, f"{target} = {code}"))
    inline = f"{replicated}[0]" if imports is not None else f"({replicated})"
    return (*(imports or ()), Edit.of(shared, inline))


def _simple(statement: ast.stmt) -> bool:
    return isinstance(statement, (ast.Assign, ast.AugAssign, ast.Return, ast.Expr, ast.AnnAssign))


def _replicated(module: Module, like: str, value: str) -> tuple[tuple[Edit, ...] | None, str]:
    """The expression, with the edits that import what it needs; None: plain PyTorch, gives one tensor.

    The library's own helper only in the library: transformers must not import it back.
    """
    if module.file.split("/")[0] != HELPER_MODULE.split(".", maxsplit=1)[0]:
        times = f"max(1, {like}.shape[0] // {value}.shape[0])"
        return None, f"{value}.repeat({times}, *[1] * ({value}.dim() - 1))"
    imports = () if module.binds(HELPER) else (module.importing(HELPER_MODULE, HELPER),)
    return imports, f"{HELPER}({like}, {value})"


FAMILY = ReplicateOperand()
