"""A reshape was written with a batch size from before the expansion: read it off the tensor itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ....source.parsed_module import Edit, Module, Sources, calls
from ....trace.records import Record
from ..family import SourceEdit
from ..operands import is_plain
from ..suspects import Suspect, leaks

if TYPE_CHECKING:
    from ....facts.facts import Facts
    from ....schema.result import Finding

METHODS = ("view", "reshape", "expand", "new_zeros", "new_ones")
KEEPS_ROWS = ("contiguous", "float", "to", "type_as", "clone", "detach", "half", "double")
HOISTED = "to_reshape"
"""Name of a tensor that gets a statement of its own, so that its size can be read."""
SWAPS = ("transpose", "permute", "swapaxes")


class ReadBatchAfterExpansion:
    """See the module's docstring."""

    name = "read-batch-after-expansion"
    rank = 1

    def propose(self, facts: Facts, finding: Finding, sources: Sources) -> Iterator[SourceEdit]:
        """Replace the size of the first axis in the reshapes at the leaks' roots, file by file."""
        if facts.static is None or facts.axes.lanes == 1:
            return
        by_file: dict[str, list[list[SourceEdit]]] = {}
        for suspect in leaks(facts, finding):
            found = list(_at(suspect, sources))
            if found:
                by_file.setdefault(found[0].file, []).append(found)
        for file, sites in by_file.items():
            for rank in range(max(len(found) for found in sites)):
                chosen = [found[min(rank, len(found) - 1)] for found in sites]
                edits = tuple(dict.fromkeys(e for one in chosen for e in one.edits))
                yield SourceEdit(file, edits, "; ".join(dict.fromkeys(one.title for one in chosen)))


def _at(suspect: Suspect, sources: Sources) -> Iterator[SourceEdit]:
    module = sources.module(suspect.site.file)
    statement = module.statement(suspect.site.line) if module else None
    if module is None or statement is None:
        return
    keeps = _keeps_rows(suspect.record)
    for call in _reshapes(statement):
        alike = [list(_rewritten(module, s, c, keeps)) for s, c in _alike(module, statement, call)]
        for rank, edits in enumerate(_rewritten(module, statement, call, keeps)):
            title = f"read the batch size of `{module.code(call)}` from the tensor that is reshaped"
            more = [edit for ways in alike if rank < len(ways) for edit in ways[rank]]
            yield SourceEdit(module.file, (*edits, *more), " ".join(title.split()))


def _alike(module: Module, statement: ast.stmt, call: ast.Call) -> Iterator[tuple[ast.stmt, ast.Call]]:
    """Reshapes of other projections in the same function, to the same rows: they leak with other adapters."""
    function = module.function(statement.lineno)
    for other in ast.walk(function) if function is not None else ():
        if isinstance(other, ast.Assign) and other is not statement:
            yield from ((other, c) for c in _reshapes(other) if _shape(c) == _shape(call))


def _shape(call: ast.Call) -> tuple[str, int, str, str]:
    """A reshape without its tensor: names and results of the object's own modules are alike."""
    assert isinstance(call.func, ast.Attribute)
    tensor = call.func.value
    projected = isinstance(tensor, ast.Call) and ast.unparse(tensor.func).startswith("self.")
    kind = "" if projected or isinstance(tensor, ast.Name) else ast.unparse(tensor)
    return call.func.attr, len(call.args), ast.unparse(call.args[0]), kind


def _keeps_rows(record: Record | None) -> bool:
    """Whether the first axis of the reshaped tensor is what the result should have there."""
    given = record.operands[0].shape if record is not None and record.operands else ()
    wanted = (record.twin_expanded or ()) if record is not None else ()
    return not given or not wanted or given[0] == wanted[0]


def _reshapes(statement: ast.stmt) -> Iterator[ast.Call]:
    for call in calls(statement):
        if isinstance(call.func, ast.Attribute) and call.func.attr in METHODS and call.args:
            yield call


def _rewritten(
    module: Module, statement: ast.stmt, call: ast.Call, keeps_rows: bool
) -> Iterator[tuple[Edit, ...]]:
    assert isinstance(call.func, ast.Attribute)
    only = _one_argument(call)
    if isinstance(only, ast.Name):
        yield _with_own_rows(module, statement, call, f"{{}}.shape[0], *{only.id}[1:]")
        return
    sizes = list(only.elts) if isinstance(only, (ast.Tuple, ast.List)) else list(call.args)
    batch, rest = sizes[0], sizes[1:]
    target = batch
    if isinstance(batch, ast.BinOp):
        names = [n for n in (batch.left, batch.right) if isinstance(n, ast.Name)]
        if not names:
            return
        target = names[0]  # the stale size; the other factor is an attribute or a plain number
    if keeps_rows or target is not batch:
        root = _same_rows(call.func.value)
        if root is not None:
            yield (Edit.of(target, f"{module.code(root)}.shape[0]"),)
        else:
            yield _hoisted(module, statement, call.func.value, target)
    if target is batch and not any(_is_minus_one(s) for s in rest):
        yield (Edit.of(batch, "-1"),)


def _one_argument(call: ast.Call) -> ast.expr | None:
    """The only argument: all sizes in one (`view(shape)`, `view(*shape)`, `view((a, b))`)."""
    if len(call.args) != 1:
        return None
    return call.args[0].value if isinstance(call.args[0], ast.Starred) else call.args[0]


def _with_own_rows(module: Module, statement: ast.stmt, call: ast.Call, sizes: str) -> tuple[Edit, ...]:
    """Take the first size from the tensor and the others from the shape that was given."""
    assert isinstance(call.func, ast.Attribute)
    root = _same_rows(call.func.value)
    if root is not None:
        return (Edit.of(call.args[0], sizes.format(module.code(root))),)
    return (
        Edit.before(statement, f"{HOISTED} = {module.code(call.func.value)}"),
        Edit.of(call.func.value, HOISTED),
        Edit.of(call.args[0], sizes.format(HOISTED)),
    )


def _same_rows(node: ast.expr) -> ast.expr | None:
    """A plain expression with the same first axis: behind calls that leave the rows where they are."""
    while not is_plain(node):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            return None
        method = node.func.attr
        if method in SWAPS and not _leaves_first_axis(method, node):
            return None
        if method not in SWAPS and method not in KEEPS_ROWS:
            return None
        node = node.func.value
    return node


def _leaves_first_axis(method: str, node: ast.Call) -> bool:
    axes = [a.value for a in node.args if isinstance(a, ast.Constant)]
    return bool(axes) and (axes[0] == 0 if method == "permute" else 0 not in axes)


def _hoisted(module: Module, statement: ast.stmt, receiver: ast.expr, batch: ast.expr) -> tuple[Edit, ...]:
    """Name the tensor in a statement of its own, and read its size."""
    return (
        Edit.before(statement, f"{HOISTED} = {module.code(receiver)}"),
        Edit.of(receiver, HOISTED),
        Edit.of(batch, f"{HOISTED}.shape[0]"),
    )


def _is_minus_one(node: ast.expr) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)


FAMILY = ReadBatchAfterExpansion()
