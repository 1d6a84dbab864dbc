"""A mask of booleans says what is seen; it is inverted as if it were added: leave it as it is.

Attention functions add a mask of numbers, zero for what is seen, but take one of booleans for its truth.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ....schema.verdicts import IDLE, Cause
from ....source.parsed_module import Edit, Module, Sources
from ..family import SourceEdit
from ..library_names import LIBRARY

if TYPE_CHECKING:
    from ....facts.facts import Facts
    from ....schema.result import Finding

CAUSES = IDLE | {Cause.LANE_DEPARTS, Cause.CACHE_DEPARTS, Cause.PADDING_COUNTS, Cause.ATTENTION_DEPARTS}


class BooleansSayWhatIsSeen:
    """See the module's docstring."""

    name = "booleans-say-what-is-seen"
    rank = 3

    def propose(self, facts: Facts, finding: Finding, sources: Sources) -> Iterator[SourceEdit]:
        """Every such inversion in a function of the library that ran."""
        if finding.cause not in CAUSES or facts.static is None:
            return
        places: dict[str, set[int]] = {}
        for record in facts.static.trace.records:
            if record.site.file.startswith(f"{LIBRARY}/"):
                places.setdefault(record.site.file, set()).add(record.site.line)
        for file, lines in sorted(places.items()):
            module = sources.module(file)
            edits = tuple(_left_alone(module, lines)) if module is not None else ()
            if edits:
                yield SourceEdit(file, edits, "do not invert a mask of booleans")


def _left_alone(module: Module, lines: set[int]) -> Iterator[Edit]:
    functions = {f for line in lines if (f := module.function(line)) is not None}
    for node in (n for f in functions for n in ast.walk(f)):
        if not isinstance(node, ast.If) or not ast.unparse(node.test).endswith(".dtype == torch.bool"):
            continue
        for inner in node.body:
            if isinstance(inner, ast.Assign) and _is_inversion(inner):
                yield Edit.of(inner, "pass")


def _is_inversion(node: ast.Assign) -> bool:
    """`x = ~x`."""
    name = ast.unparse(node.targets[0])
    return ast.unparse(node.value) == f"~{name}"


FAMILY = BooleansSayWhatIsSeen()
