"""Some children of a Parallel or BatchSplit have no modules in a layer: run the layer for each one by itself.

Joining states and finishing all rows by one adapter's rules is right only when all children have modules
there, of one kind. By itself, a child without any goes the way of a layer without adapters. The second
proposal does so always: for children whose kinds differ.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..base import SourceEdit
from ..source import Edit, Module, Sources

if TYPE_CHECKING:
    from ...facts import Facts
    from ...result import Finding

LIBRARY = "adapters"
NEEDED = {
    f"{LIBRARY}.composition": ("BatchSplit", "Parallel"),
    f"{LIBRARY}.context": ("AdapterSetup", "ForwardContext"),
}

CODE = """\
if isinstance({setup}, (Parallel, BatchSplit)){condition}:
    given = [{given}]
    sizes = getattr({setup}, "batch_sizes", None)
    if isinstance({setup}, Parallel):
        context, rows = ForwardContext.get_context(), given[0].shape[0]
        again = self.allow_multi_parallelize and rows == getattr(context, "original_batch_size", -1)
        if again or not context.adapters_parallelized:
            context.adapters_parallelized, context.original_batch_size = True, rows
            given = [g.repeat(len({setup}), *[1] * (g.dim() - 1)) if torch.is_tensor(g) else g for g in given]
        sizes = given[0].shape[0] // len({setup})
    parts = [g.split(sizes) if torch.is_tensor(g) else [g] * len({setup}) for g in given]
    results = []
    for child, *own in zip({setup}, *parts):
        with AdapterSetup(child):
            results.append(self.{function}(*own))
    return torch.cat(results)
"""


REPEATED = "for child, *own in zip("
"""In a text to which a proposal was applied before: then only the second one is left."""
ONE_ABSENT = """\
 and not all(
    set([child] if isinstance(child, str) else child.flatten()) & set(self.adapter_modules)
    for child in {setup}
)"""
ALWAYS = ""


class EachChildByItself:
    """See the module's docstring."""

    name = "each-child-by-itself"

    def propose(self, facts: Facts, finding: Finding, sources: Sources) -> Iterator[SourceEdit]:
        """All functions of the finding's file that run a composition over one layer."""
        absent = "KeyError" in finding.message or "None" in finding.message
        if len(facts.names) < 2 or not (finding.rule == "AA201" or (finding.rule == "AA105" and absent)):
            return
        module = sources.module(finding.primary.file)
        found = list(_running(module)) if module is not None else []
        if module is None or not found:
            return
        choices = [(ONE_ABSENT, " where one has no modules"), (ALWAYS, "")]
        for condition, when in choices[REPEATED in module.text :]:
            edits = (*_imports(module), *(_guard(f, s, condition) for f, s in found))
            yield SourceEdit(module.file, edits, f"run each child by itself{when}")


def _running(module: Module) -> Iterator[tuple[ast.FunctionDef, ast.Assign]]:
    """Functions with `setup = self.get_active_setup()` and `self.compose(setup, ...)`, and the former."""
    for function in (n for n in ast.walk(module.tree) if isinstance(n, ast.FunctionDef)):
        asked = [
            n
            for n in ast.walk(function)
            if isinstance(n, ast.Assign)
            and isinstance(n.targets[0], ast.Name)
            and ast.unparse(n.value) == "self.get_active_setup()"
        ]
        if asked and any(
            isinstance(n, ast.Call) and ast.unparse(n.func) == "self.compose" for n in ast.walk(function)
        ):
            yield function, asked[0]


def _guard(function: ast.FunctionDef, asked: ast.Assign, condition: str) -> Edit:
    parameters = [a.arg for a in function.args.args if a.arg != "self"]
    setup = ast.unparse(asked.targets[0])
    code = CODE.format(
        setup=setup,
        condition=condition.format(setup=setup),
        given=", ".join(parameters),
        function=function.name,
    )
    return Edit.after(asked, "\n" + textwrap.indent(code, " " * asked.col_offset).rstrip())


def _imports(module: Module) -> Iterator[Edit]:
    for origin, names in NEEDED.items():
        missing = [n for n in names if not module.binds(n)]
        if missing:
            yield module.importing(origin, ", ".join(missing))
    if not module.binds("torch"):
        yield module.importing("", "torch")


FAMILY = EachChildByItself()
