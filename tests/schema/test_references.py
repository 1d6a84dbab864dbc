"""Which rows should be what: the references of a composition."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trees import plain_names, trees

from adapter_audit.auditor.schema.composition import Block, Node, adapter_names, lane_count, walk
from adapter_audit.auditor.schema.composition_parser import parse
from adapter_audit.auditor.schema.heads import Heads
from adapter_audit.auditor.schema.references import references, row_tree


@pytest.mark.parametrize(
    ("text", "rows", "tasks", "expected"),
    [
        ("parallel(a,b)", 3, None, [(0, (0, 1, 2), "a"), (1, (0, 1, 2), "b")]),
        ("stack(a,parallel(b,c))", 2, None, [(0, (0, 1), "stack(a,b)"), (1, (0, 1), "stack(a,c)")]),
        (
            "stack(a,parallel(stack(b,c),d))",
            2,
            None,
            [(0, (0, 1), "stack(a,b,c)"), (1, (0, 1), "stack(a,d)")],
        ),
        ("batchsplit(a,b;2,1)", 3, None, [(0, (0, 1), "a"), (0, (2,), "b")]),
        ("multitask(a,b)", 3, [1, 0, 1], [(0, (0, 2), "b"), (0, (1,), "a")]),
        ("average(a,b)", 2, None, [(0, (0, 1), "average(a,b)")]),
        (
            "stack(x,batchsplit(a,stack(b,c);1,1))",
            2,
            None,
            [(0, (0,), "stack(x,a)"), (0, (1,), "stack(x,b,c)")],
        ),
        (
            "batchsplit(batchsplit(a,b;1,1),c;2,1)",
            3,
            None,
            [(0, (0,), "a"), (0, (1,), "b"), (0, (2,), "c")],
        ),
        (
            "parallel(batchsplit(a,b;1,2),c)",
            3,
            None,
            [(0, (0,), "a"), (0, (1, 2), "b"), (1, (0, 1, 2), "c")],
        ),
    ],
)
def test_examples(
    text: str, rows: int, tasks: list[int] | None, expected: list[tuple[int, object, str]]
) -> None:
    found = references(parse(text), rows, tasks)
    assert [(r.lane, r.rows, str(r.tree)) for r in found] == expected


@pytest.mark.parametrize(
    ("text", "heads", "expected"),
    [
        ("a", None, [(None, None, (0, 1, 2))]),
        ("a", Heads(("h",)), [("h", None, (0, 1, 2))]),
        ("a", Heads(("h", "i")), [("h", 0, (0, 1, 2)), ("i", 1, (0, 1, 2))]),
        ("parallel(a,b)", Heads(("b", "a")), [("b", 0, (0, 1, 2)), ("a", 1, (0, 1, 2))]),
        ("parallel(a,b)", Heads(("h",)), [("h", None, (0, 1, 2)), ("h", None, (3, 4, 5))]),
        ("batchsplit(a,b;1,2)", Heads(("a", "b"), (1, 2)), [("a", 0, (0,)), ("b", 1, (0, 1))]),
        (
            "parallel(batchsplit(a,b;1,2),c)",
            Heads(("b", "c")),
            [("b", 0, (0,)), ("b", 0, (1, 2)), ("c", 1, (0, 1, 2))],
        ),
    ],
)
def test_heads_have_rows_of_their_own(
    text: str, heads: Heads | None, expected: list[tuple[str | None, int | None, tuple[int, ...]]]
) -> None:
    found = references(parse(text), 3, heads=heads)
    assert [(r.head, r.part, r.part_rows) for r in found] == expected


def test_output_rows_are_lane_major() -> None:
    second = references(parse("parallel(a,b)"), 3)[1]
    assert second.output_rows(3) == (3, 4, 5)


def fitted(node: Node, rows: int) -> Node:
    """Batch sizes that sum to the rows that reach the block."""
    if isinstance(node, str):
        return node
    if node.kind != "batchsplit":
        return replace(node, children=tuple(fitted(c, rows) for c in node.children))
    share, rest = divmod(rows, len(node.children))
    sizes = [share + (i < rest) for i in range(len(node.children))]
    children = tuple(fitted(c, size) for c, size in zip(node.children, sizes, strict=True))
    return replace(node, children=children, numbers=tuple(map(float, sizes)))


@given(trees(plain_names), st.integers(1, 7), st.integers(0, 5))
def test_references_cover_every_row_of_every_lane_once(tree: Block, rows: int, seed: int) -> None:
    fit = fitted(tree, rows)
    tasks = [(seed + r) % 3 for r in range(rows)]
    found = references(fit, rows, tasks)
    for lane in range(lane_count(fit)):
        covered = sorted(row for r in found if r.lane == lane for row in r.rows)
        assert covered == list(range(rows))
    for reference in found:
        assert not {b.kind for b in walk(reference.tree)} & {"parallel", "batchsplit", "multitask"}
        assert set(adapter_names(reference.tree)) <= set(adapter_names(tree))


@given(trees(plain_names), st.integers(0, 9), st.integers(0, 4))
def test_a_row_tree_is_its_own_row_tree(tree: Block, row: int, task: int) -> None:
    alone = row_tree(tree, row, task)
    assert row_tree(alone, row, task) == alone


def test_a_row_behind_the_last_part_belongs_to_the_last_child() -> None:
    assert row_tree(parse("batchsplit(a,b;1,1)"), 5, 0) == "b"
