"""Children of a composition differ in kind, or some have no modules in a layer: run the layer for each alone.

Joining states and finishing all rows by one adapter's rules is right only when all children have modules
there, of one kind. By itself, a child without any goes the way of a layer without adapters. What is
divided are the rows (Parallel, BatchSplit, MultiTask); an Average takes all rows for each child and
weighs the results. The second proposal does so always: for children whose kinds differ.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ....schema.composition import adapter_names, walk
from ....schema.verdicts import IDLE, RELATIONS, STOPS, Cause, Invariant
from ....source.parsed_module import Edit, Module, Sources
from ..adapters_of_file import concerned, left_out_somewhere
from ..family import SourceEdit
from ..library_names import COMPOSITION, CONTEXT, LIBRARY, imports, known_blocks

if TYPE_CHECKING:
    from ....facts.facts import Facts
    from ....schema.result import Finding

DIVIDING = ("Average", "BatchSplit", "MultiTask", "Parallel")
DIVIDING_KINDS = frozenset(kind.lower() for kind in DIVIDING)

CAUSES = STOPS | IDLE | RELATIONS | {Cause.LANE_DEPARTS}
CODE = """\
children = list({setup}) if isinstance({setup}, Stack) else [{setup}]
divided = [c for c in children if isinstance(c, ({blocks}))]
if divided{condition}:
    block, given = divided[0], [{given}]
    context, rows = ForwardContext.get_context(), given[0].shape[0]
    if isinstance(block, Parallel):
        again = self.allow_multi_parallelize and rows == getattr(context, "original_batch_size", -1)
        if again or not context.adapters_parallelized:
            context.adapters_parallelized, context.original_batch_size = True, rows
            given = [g.repeat(len(block), *[1] * (g.dim() - 1)) if torch.is_tensor(g) else g for g in given]
    picked = torch.arange(given[0].shape[0], device=given[0].device)
    if isinstance(block, Average):
        picked = [picked] * len(block)
{tasks}\
    else:
        picked = picked.split(getattr(block, "batch_sizes", len(picked) // len(block)))
    results = []
    for child, own in zip(block, picked):
        inner = list(child) if isinstance(child, Stack) else [child]
        with AdapterSetup(Stack(*[a for c in children for a in (inner if c is block else [c])])):
            results.append(self.{function}(*[g[own] if torch.is_tensor(g) else g for g in given]))
    if isinstance(block, Average):
        return sum(weight * result for weight, result in zip(block.weights, results))
    return torch.cat(results)[torch.cat(picked).argsort()]
"""
TASKS = """\
    elif isinstance(block, MultiTask):
        tasks = [list(block).index(t) if isinstance(t, str) else int(t) for t in context.task_ids]
        tasks = torch.tensor(tasks, device=picked.device)
        picked = [picked[tasks == number] for number in range(len(block))]
"""

ONE_ABSENT = """\
 and not all(
    set([child] if isinstance(child, str) else child.flatten()) & set(self.adapter_modules)
    for child in divided[0]
)"""
ALWAYS = ""
ALL = (ALWAYS, "")
WHERE_ABSENT = (ONE_ABSENT, " where one has no modules")
REPEATED = "block, given = divided[0], ["
"""In a text to which a proposal was applied before: then only the second one is left."""


class EachChildByItself:
    """See the module's docstring."""

    name = "each-child-by-itself"
    rank = 2

    def propose(self, facts: Facts, finding: Finding, sources: Sources) -> Iterator[SourceEdit]:
        """All functions that run a composition over one layer, in the finding's file or in files that ran."""
        kinds = {block.kind for block in walk(facts.tree)}
        if len(facts.names) < 2 or not kinds & DIVIDING_KINDS:
            return
        if finding.cause not in CAUSES:
            return
        for file in _files(facts, finding):
            module = sources.module(file)
            found = list(_running(module)) if module is not None else []
            if module is None or not found or not (_composed(facts, file, found) or _is_at(finding, file)):
                continue
            choices = _choices(facts, finding, module)
            for condition, when in choices:
                yield _edit(module, sources, condition, when)


def by_themselves(module: Module, sources: Sources, *, always: bool) -> SourceEdit | None:
    """The proposal for one file; None where nothing is composed in it, or so already."""
    if REPEATED in module.text or not any(_running(module)):
        return None
    return _edit(module, sources, *(ALL if always else WHERE_ABSENT))


def _edit(module: Module, sources: Sources, condition: str, when: str) -> SourceEdit:
    blocks = known_blocks(sources, DIVIDING)
    contexts = ("AdapterSetup", "ForwardContext")
    needed = tuple(imports(module, {COMPOSITION: (*blocks, "Stack"), CONTEXT: contexts}))
    edits = (*needed, *(_guard(f, s, condition, blocks) for f, s in _running(module)))
    return SourceEdit(module.file, edits, f"run each child by itself{when}")


def _choices(facts: Facts, finding: Finding, module: Module) -> list[tuple[str, str]]:
    """When to run each child by itself: both ways where either may help, none where neither can."""
    own = concerned(facts, module)
    children = [c for b in walk(facts.tree) if b.kind in DIVIDING_KINDS for c in b.children]
    complete = all(set(adapter_names(c)) & own for c in children)
    alike = complete and len(set(facts.methods.values())) == 1 and not left_out_somewhere(facts)
    if not own:
        return []
    if finding.invariant is Invariant.NEUTRALITY or alike:
        return [ALL]
    return ([] if REPEATED in module.text else [WHERE_ABSENT]) + ([ALL] if complete else [])


def _is_at(finding: Finding, file: str) -> bool:
    return finding.primary.file == file


def _composed(facts: Facts, file: str, found: list[tuple[ast.FunctionDef, ast.Assign]]) -> bool:
    """Whether adapters' code of the file ran, not only the functions that every layer goes through."""
    lines = (
        {r.site.line for r in facts.static.trace.records if r.site.file == file} if facts.static else set()
    )
    return any(not any(f.lineno <= line <= (f.end_lineno or 0) for f, _ in found) for line in lines)


def _files(facts: Facts, finding: Finding) -> tuple[str, ...]:
    """Where the finding is; for what is wrong somewhere, the library's files that ran."""
    if finding.primary.file and finding.cause in STOPS:
        return (finding.primary.file,)
    ran = {r.site.file for r in facts.static.trace.records} if facts.static is not None else set()
    own = [finding.primary.file] if finding.primary.file else []
    return tuple(dict.fromkeys([*own, *sorted(f for f in ran if f.startswith(f"{LIBRARY}/methods/"))]))


def _running(module: Module) -> Iterator[tuple[ast.FunctionDef, ast.Assign]]:
    """Functions with `setup = self.get_active_setup()` and `self.compose(setup, ...)`, and the former.

    Only those that return one tensor: what several results have in common is not known here.
    """
    for function in (n for n in ast.walk(module.tree) if isinstance(n, ast.FunctionDef)):
        nodes = list(ast.walk(function))
        asked = [
            n
            for n in nodes
            if isinstance(n, ast.Assign)
            and isinstance(n.targets[0], ast.Name)
            and ast.unparse(n.value) == "self.get_active_setup()"
        ]
        composes = any(isinstance(n, ast.Call) and ast.unparse(n.func) == "self.compose" for n in nodes)
        several = any(isinstance(n, ast.Return) and isinstance(n.value, ast.Tuple) for n in nodes)
        if asked and composes and not several:
            yield function, asked[0]


def _guard(function: ast.FunctionDef, asked: ast.Assign, condition: str, blocks: tuple[str, ...]) -> Edit:
    parameters = [a.arg for a in function.args.args if a.arg != "self"]
    code = CODE.format(
        setup=ast.unparse(asked.targets[0]),
        condition=condition,
        blocks=", ".join(blocks),
        tasks=TASKS if "MultiTask" in blocks else "",
        given=", ".join(parameters),
        function=function.name,
    )
    return Edit.after(asked, "\n" + textwrap.indent(code, " " * asked.col_offset).rstrip())


FAMILY = EachChildByItself()
