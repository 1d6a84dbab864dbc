"""AA607 refused-composition

## What it does
Finds composition literals (`Parallel(...)`, `Stack(...)` and so on) that the library will refuse: a block
inside a block that may not hold it, blocks nested too deep, and `batch_sizes`, `splits` or `weights` whose
number is not that of the children. The table of allowed nestings is that of the installed `adapters` (read as
text), or the
one of release 1.3.0 where none is installed. A name that is bound to one literal in its scope counts as the
literal.

## Why is this bad
The library checks a composition when it is activated, often after a model was loaded and trained, and counts
only when the batch arrives, in the middle of a forward pass.

## Example
```python
model.active_adapters = Parallel("a", Fuse("b", "c"))  # AA607: no Fuse inside Parallel
model.active_adapters = BatchSplit("a", "b", batch_sizes=[1, 2, 3])  # AA607: two adapters, three sizes
```

## Fix
Write a composition that is allowed; for each adapter of a `Parallel` that may be one adapter, a `Stack`, a
`BatchSplit` or an `Average`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from .base import Case
from .source_rule import Confidence, Flaw, Severity, SourceRule, Verdict

if TYPE_CHECKING:
    from adapter_audit.auditor.lint.literals import Literal
    from adapter_audit.auditor.lint.source_file import SourceFile

NESTINGS: Mapping[str, frozenset[str]] = {
    "Stack": frozenset({"str", "Fuse", "Split", "Parallel", "BatchSplit", "Average", "MultiTask"}),
    "Fuse": frozenset({"str", "Stack"}),
    "Split": frozenset({"str", "Split", "Stack", "BatchSplit", "Average"}),
    "Parallel": frozenset({"str", "Stack", "BatchSplit", "Average"}),
    "MultiTask": frozenset({"str", "Stack", "Average", "Fuse"}),
    "BatchSplit": frozenset({"str", "Stack", "Split", "BatchSplit", "Average"}),
    "Average": frozenset({"str", "Stack", "Split", "BatchSplit"}),
}
"""`ALLOWED_NESTINGS` of adapters 1.3.0, for environments without the library."""

MAX_LEVEL = 1
"""Below this level the library takes only adapters and Stacks (`validate_composition`)."""

NUMBERS = {"BatchSplit": "batch_sizes", "Split": "splits", "Average": "weights"}


class RefusedComposition(SourceRule):
    """A composition literal that cannot be activated or run."""

    id = "AA607"
    name = "refused-composition"
    severity = Severity.ERROR
    confidence = Confidence.CERTAIN
    verdict = Verdict.REFUSED
    cases = (
        Case(
            bad=True,
            code='ac.Parallel("a", ac.Fuse("b", "c"))',
            says="Parallel cannot hold a Fuse",
            source='import adapters.composition as ac\nac.Parallel("a", ac.Fuse("b", "c"))\n',
        ),
        Case(
            bad=True,
            code='ac.BatchSplit("a", batch_sizes=[1, 2])',
            says="BatchSplit has 1 children but 2 batch_sizes",
            source='import adapters.composition as ac\nac.BatchSplit("a", batch_sizes=[1, 2])\n',
        ),
        Case(
            bad=True,
            code='Stack("c", Parallel("d", inner))',
            says="Average is nested too deep",
            source=(
                "from adapters.composition import Average, Parallel, Stack\n"
                'inner = Average("a", "b")\nmodel.active_adapters = Stack("c", Parallel("d", inner))\n'
            ),
        ),
        Case(
            bad=True,
            code='Split("a", "b")',
            says="Split needs splits=",
            source='from adapters.composition import Split\nSplit("a", "b")\n',
        ),
        Case(bad=False, source='from adapters.composition import *\nParallel("a", Stack("b", "c"))\n'),
        Case(bad=False, source="import adapters.composition as ac\nac.Split(*names, splits=[1, 2])\n"),
        Case(bad=False, source='from joblib import Parallel\nParallel("a", Fuse("b", "c"))\n'),
        Case(
            bad=False,
            source='import adapters.composition as ac\nac.BatchSplit("a", "b", batch_sizes=2)\n',
        ),
    )

    def check(self, source: SourceFile) -> Iterator[Flaw]:
        """Yield what is wrong with each outermost literal."""
        if "adapters" not in source.text:
            return
        from adapter_audit.auditor.library.adapters.support_tables import nestings
        from adapter_audit.auditor.lint.literals import outermost

        table = nestings() or NESTINGS
        for literal in outermost(source):
            for node, message in _problems(literal, table, 0):
                yield self.flaw(source, (node.lineno, node.col_offset), message)


def _problems(
    literal: Literal, table: Mapping[str, frozenset[str]], level: int
) -> Iterator[tuple[ast.expr, str]]:
    count = _count_problem(literal)
    if count:
        yield literal.node, count
    for child in literal.children:
        if child.kind not in table:
            continue
        if child.kind not in table.get(literal.kind, frozenset()):
            allowed = ", ".join(sorted(table[literal.kind] - {"str"}))
            yield (
                child.node,
                f"{literal.kind} cannot hold a {child.kind}; it takes adapter names and {allowed}",
            )
        elif level + 1 > MAX_LEVEL and child.kind != "Stack":
            yield child.node, f"{child.kind} is nested too deep; below the second level only Stack is allowed"
        yield from _problems(child, table, level + 1)


def _count_problem(literal: Literal) -> str:
    keyword = NUMBERS.get(literal.kind)
    if keyword is None or literal.open_ended:
        return ""
    if keyword not in literal.keywords:
        return f"{literal.kind} needs {keyword}=..." if literal.kind != "Average" else ""
    numbers = literal.keywords[keyword]
    given = len(numbers.elts) if isinstance(numbers, ast.List) else None
    if given is None or any(isinstance(e, ast.Starred) for e in numbers.elts):  # type: ignore[attr-defined]
        return ""
    if given != len(literal.children):
        return f"{literal.kind} has {len(literal.children)} children but {given} {keyword}"
    return ""
