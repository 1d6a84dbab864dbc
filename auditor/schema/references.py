"""What each row of a composition's output should be: the reference compositions, row by row.

Lane i of a Parallel is its i-th child alone; the rows of a part of a BatchSplit, a MultiTask or a mixed batch
are that child alone on these rows; each with the prediction head that serves these rows, where there are
several. Average, Fuse and Split stay inside the references: they have no row-wise reference and are held to
the neutrality relations instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .composition import BY_ROWS, Node, lane_count, lane_reference, with_children
from .heads import Heads, ServedRows, served_rows


@dataclass(frozen=True)
class Reference:
    """Rows `rows` (of the caller's B) of lane `lane` are what `tree` gives on these rows alone."""

    lane: int
    rows: tuple[int, ...]
    tree: Node
    head: str | None = None
    """The prediction head that serves these rows; None for a model without heads to choose from."""
    part: int | None = None
    """Which of the composition's sets of outputs has these rows; None where there is one set."""
    part_rows: tuple[int, ...] = ()
    """Where in that set they are."""
    part_size: int = 0
    """How many rows that set has."""

    def output_rows(self, batch: int) -> tuple[int, ...]:
        """The rows of the composition's N*B output."""
        return tuple(self.lane * batch + row for row in self.rows)


def references(
    tree: Node, batch: int, tasks: Sequence[int] | None = None, heads: Heads | None = None
) -> tuple[Reference, ...]:
    """All references of a composition on `batch` rows; `tasks` is the task of each row for MultiTask."""
    every = served_rows(heads, lane_count(tree), batch)
    return tuple(reference for served in every for reference in _served(tree, served, tasks))


def _served(tree: Node, served: ServedRows, tasks: Sequence[int] | None) -> Iterator[Reference]:
    """The references of one set of outputs."""
    groups: dict[tuple[int, Node], list[int]] = {}
    for at, (lane, row) in enumerate(served.places):
        alone = row_tree(lane_reference(tree, lane), row, tasks[row] if tasks else 0)
        groups.setdefault((lane, alone), []).append(at)
    for (lane, alone), own in groups.items():
        rows = tuple(served.places[at][1] for at in own)
        yield Reference(lane, rows, alone, served.head, served.part, tuple(own), len(served.places))


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
    return with_children(node, tuple(row_tree(c, position, task) for c in node.children))
