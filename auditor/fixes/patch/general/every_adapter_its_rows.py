"""Only the first adapter of a composition is applied, to all rows: apply every one to its own rows.

Lanes of a Parallel (which replicates the rows where nothing has yet), parts of a BatchSplit or MultiTask,
the adapters of a Stack one after the other, and the weighted results of an Average. Other blocks keep to
their first adapter.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ....schema.verdicts import IDLE, RELATIONS, Cause
from ....source.parsed_module import Edit, Module, Sources
from ....source.source_files import absolute_file
from ..adapters_of_file import concerned
from ..family import SourceEdit
from ..library_names import COMPOSITION, CONTEXT, LIBRARY, imports, known_blocks

if TYPE_CHECKING:
    from ....facts.facts import Facts
    from ....schema.result import Finding

BLOCKS = ("Average", "BatchSplit", "MultiTask", "Parallel", "Stack")
CAUSES = IDLE | RELATIONS | {Cause.NOT_EXPANDED, Cause.LANE_DEPARTS}
CODE = """\
more = []

def apply_rows(setup, states, own):
    context = ForwardContext.get_context()
    if isinstance(setup, str):
        if setup in {modules}:
            # What the context keeps for each row is that of the rows at hand, and only for now.
            kept = {{k: v for k, v in vars(context).items() if torch.is_tensor(v)}}
            vars(context).update((k, v[own % len(v)]) for k, v in kept.items() if v.dim() and len(v))
            {result} = {modules}[setup](states{arguments})
            for name in [k for k, v in vars(context).items() if torch.is_tensor(v)]:
                delattr(context, name)
            vars(context).update(kept)
        return states
    if isinstance(setup, Stack):
        for child in setup:
            states = apply_rows(child, states, own)
            own = own if len(own) == len(states) else torch.arange(len(states), device=states.device)
        return states
    if isinstance(setup, Average):
        return sum(w * apply_rows(child, states, own) for w, child in zip(setup.weights, setup))
{tasks}\
    if not isinstance(setup, (Parallel, BatchSplit)):
        return apply_rows(setup.first(), states, own)
    sizes = getattr(setup, "batch_sizes", None)
    if isinstance(setup, Parallel):
        rows = getattr(context, "original_batch_size", len(states))
        if not context.adapters_parallelized or len(states) == rows:
            context.adapters_parallelized, context.original_batch_size = True, len(states)
            states = states.repeat(len(setup), *[1] * (states.dim() - 1))
            own = own.repeat(len(setup))
        sizes = len(states) // len(setup)
    parts = zip(setup, states.split(sizes), own.split(sizes))
    return torch.cat([apply_rows(child, part, rows) for child, part, rows in parts])

{tensor} = apply_rows({setup}, {tensor}, torch.arange(len({tensor}), device={tensor}.device))
"""

TASKS = """\
    if isinstance(setup, MultiTask):
        ids = torch.tensor([list(setup).index(t) if isinstance(t, str) else int(t) for t in context.task_ids])
        order = ids.to(states.device).argsort(stable=True)
        sizes = ids.bincount(minlength=len(setup)).tolist()
        parts = zip(setup, states[order].split(sizes), own[order].split(sizes))
        done = torch.cat([apply_rows(child, part, rows) for child, part, rows in parts])
        return done[order.argsort()]
"""


class OnlyFirst(NamedTuple):
    """`if first in modules: t = modules[first](t, ...)`, with `first = setup.first()`."""

    node: ast.If
    setup: ast.expr
    modules: ast.expr
    call: ast.Call
    targets: list[ast.expr]


class EveryAdapterItsRows:
    """See the module's docstring."""

    name = "every-adapter-its-rows"
    rank = 1

    def propose(self, facts: Facts, finding: Finding, sources: Sources) -> Iterator[SourceEdit]:
        """One proposal a file."""
        if finding.cause not in CAUSES or len(facts.names) < 2:
            return
        ran = _parts_that_ran(facts)
        for file in _files():
            module = sources.module(file)
            found = list(_only_first(module)) if module is not None else []
            if module is None or not found or not concerned(facts, module):
                continue
            # Where the first adapter has no modules nothing runs: then nothing speaks for the repair.
            yield replace(_edit(module, sources), likely=any(_attribute(f) in ran for f in found))


def rows_of_every_adapter(module: Module, sources: Sources) -> SourceEdit | None:
    """The proposal for one file; None where no composition is asked for its first adapter."""
    return _edit(module, sources) if any(_only_first(module)) else None


def _edit(module: Module, sources: Sources) -> SourceEdit:
    blocks = known_blocks(sources, BLOCKS)
    needed = imports(module, {COMPOSITION: blocks, CONTEXT: ("ForwardContext",)})
    edits = (*needed, *(_applied(module, found, blocks) for found in _only_first(module)))
    title = f"apply every adapter to its rows, not the first one to all ({Path(module.file).stem})"
    return SourceEdit(module.file, edits, title)


def _parts_that_ran(facts: Facts) -> frozenset[str]:
    """Names of modules and their parents that ran any op."""
    if facts.static is None:
        return frozenset()
    paths = {record.key.module for record in facts.static.trace.records}
    return frozenset(part for path in paths for part in path.split(".") if part)


def _attribute(found: OnlyFirst) -> str:
    """Name of the attribute that holds the adapters' modules; empty where the object itself does."""
    return found.modules.attr if isinstance(found.modules, ast.Attribute) else ""


@cache
def _files() -> tuple[str, ...]:
    """Files of the library that ask a composition for its first adapter."""
    start = absolute_file(f"{LIBRARY}/__init__.py")
    root = Path(start).parent if start else None
    paths = root.rglob("*.py") if root else ()
    asking = (p for p in paths if ".first()" in p.read_text(encoding="utf-8"))
    return tuple(sorted(p.relative_to(root.parent).as_posix() for p in asking if root))


def _only_first(module: Module) -> Iterator[OnlyFirst]:
    for function in (n for n in ast.walk(module.tree) if isinstance(n, ast.FunctionDef)):
        first: dict[str, ast.expr] = {}
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                setup = _asked_for_first(node.value)
                if setup is not None:
                    first[node.targets[0].id] = setup
        for node in ast.walk(function):
            if isinstance(node, ast.If):
                yield from _matched(node, first)


def _asked_for_first(node: ast.expr) -> ast.expr | None:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "first":
        return node.func.value
    return None


def _matched(node: ast.If, first: dict[str, ast.expr]) -> Iterator[OnlyFirst]:
    test, body = node.test, node.body
    if not isinstance(test, ast.Compare) or not isinstance(test.left, ast.Name) or node.orelse:
        return
    name, modules = test.left.id, test.comparators[0]
    if name not in first or not isinstance(test.ops[0], ast.In):
        return
    calls = [n for n in body if isinstance(n, ast.Assign) and isinstance(n.value, ast.Call)]
    if len(body) != len(calls) or len(calls) != 1:
        return
    call, target = calls[0].value, calls[0].targets[0]
    assert isinstance(call, ast.Call)
    targets = list(target.elts) if isinstance(target, ast.Tuple) else [target]
    same = bool(call.args) and ast.unparse(call.args[0]) == ast.unparse(targets[0])
    if same and ast.unparse(call.func) == f"{ast.unparse(modules)}[{name}]":
        yield OnlyFirst(node, first[name], modules, call, targets)


def _applied(module: Module, found: OnlyFirst, blocks: tuple[str, ...]) -> Edit:
    rest = found.targets[1:]
    more = [
        *(ast.unparse(a) for a in found.call.args[1:]),
        *(f"{k.arg}={ast.unparse(k.value)}" for k in found.call.keywords),
    ]
    code = CODE.format(
        modules=module.code(found.modules),
        setup=module.code(found.setup),
        tensor=module.code(found.targets[0]),
        result="states, *more[:]" if rest else "states",
        arguments="".join(f", {a}" for a in more),
        tasks=TASKS if "MultiTask" in blocks else "",
    )
    if rest:
        names = ", ".join(module.code(t) for t in rest)
        code += f"{names}{',' if len(rest) == 1 else ''} = more or ({names},)\n"
    else:
        code = code.removeprefix("more = []\n\n")
    indented = textwrap.indent(code, " " * found.node.col_offset).strip()
    return Edit.of(found.node, indented)


FAMILY = EveryAdapterItsRows()
