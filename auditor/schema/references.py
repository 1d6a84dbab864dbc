"""What each row of a composition's output should be: the reference compositions, row by row.

Lane i of a Parallel is its i-th child alone; the rows of a part of a BatchSplit, a MultiTask or a mixed batch
are that child alone on these rows. Average, Fuse and Split stay inside the references: they have no
row-wise reference and are held to the neutrality relations instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from .composition import BY_ROWS, Node, lane_count, lane_reference


@dataclass(frozen=True)
class Reference:
    """Rows `rows` (of the caller's B) of lane `lane` are what `tree` gives on these rows alone."""

    lane: int
    rows: tuple[int, ...]
    tree: Node

    def output_rows(self, batch: int) -> tuple[int, ...]:
        """The rows of the composition's N*B output."""
        return tuple(self.lane * batch + row for row in self.rows)


def references(tree: Node, batch: int, tasks: Sequence[int] | None = None) -> tuple[Reference, ...]:
    """All references of a composition on `batch` rows; `tasks` is the task of each row for MultiTask."""
    found: list[Reference] = []
    for lane in range(lane_count(tree)):
        groups: dict[Node, list[int]] = {}
        for row in range(batch):
            alone = row_tree(lane_reference(tree, lane), row, tasks[row] if tasks else 0)
            groups.setdefault(alone, []).append(row)
        found += [Reference(lane, tuple(rows), alone) for alone, rows in groups.items()]
    return tuple(found)


def row_tree(node: Node, position: int, task: int) -> Node:
    """The composition as the row at `position` sees it: every split by rows replaced by its own child."""
    if isinstance(node, str):
        return node
    if node.kind == "multitask":
        return row_tree(node.children[min(task, len(node.children) - 1)], position, task)
    if node.kind in BY_ROWS and node.numbers:
        start = 0
        for child, size in zip(node.children, node.numbers, strict=True):
            if position < start + size:
                return row_tree(child, position - start, task)
            start += int(size)
        return row_tree(node.children[-1], 0, task)
    return replace(node, children=tuple(row_tree(c, position, task) for c in node.children))
