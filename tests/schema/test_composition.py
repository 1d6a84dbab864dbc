"""The composition language: round trips, and errors that point at the character."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from adapters.composition import AdapterCompositionBlock, Average
from hypothesis import given
from hypothesis import strategies as st
from trees import names, plain_names, trees

from adapter_audit.auditor.errors import UsageError
from adapter_audit.auditor.library.adapters import LIBRARY
from adapter_audit.auditor.schema.composition import (
    KINDS,
    MAX_COUNT,
    MAX_DEPTH,
    Block,
    Node,
    adapter_names,
    as_block,
    default_names,
    lane_count,
    lane_reference,
    walk,
)
from adapter_audit.auditor.schema.composition_parser import ComposeError, parse
from adapter_audit.auditor.schema.saved_setup import from_saved, load_saved


@given(trees())
def test_text_round_trip(tree: Block) -> None:
    assert parse(str(tree)) == tree


@given(names)
def test_a_lone_name_is_a_stack_of_one(name: str) -> None:
    text = str(Block("stack", (name,)))
    assert parse(text) == as_block(name)


@given(trees(plain_names), st.data())
def test_space_is_free(tree: Block, data: st.DataObject) -> None:
    parts = [c + " " * data.draw(st.integers(0, 2)) if c in "(),;" else c for c in str(tree)]
    assert parse("".join(parts)) == tree


@given(trees(kinds=tuple(LIBRARY.blocks)))
def test_library_round_trip(tree: Block) -> None:
    """Into blocks of `adapters.composition` and back, and over their saved form."""
    backend = LIBRARY
    block = backend.block(tree)
    assert isinstance(block, AdapterCompositionBlock)
    expected = normalised(tree)
    assert near(backend.tree(block), expected)
    assert near(from_saved(json.loads(json.dumps(block.to_dict())), "saved"), expected)


def normalised(node: Node) -> Node:
    """`Average` divides its weights by their sum."""
    if isinstance(node, str):
        return node
    own = node.numbers
    if node.kind == "average" and own is not None:
        own = tuple(n / sum(own) for n in own)
    return replace(node, children=tuple(normalised(c) for c in node.children), numbers=own)


def near(one: Node, other: Node) -> bool:
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    return (
        one.kind == other.kind
        and (one.numbers or ()) == pytest.approx(other.numbers or ())
        and len(one.children) == len(other.children)
        and all(near(a, b) for a, b in zip(one.children, other.children, strict=True))
    )


def test_weights_are_normalised_by_the_library() -> None:
    assert Average("a", "b", weights=[1, 3]).weights == [0.25, 0.75]


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ("", 0, "ends too early"),
        ("parallel(a,", 11, "ends too early"),
        ("parallel(a", 10, "not closed"),
        ("parallel(a b)", 11, "expected ',' or ')'"),
        ("parallel()", 9, "has no adapters"),
        ("paralel(a,b)", 0, "did you mean 'parallel'"),
        ("stack(a,wat(b))", 8, "known blocks: parallel"),
        ("parallel(a,b))", 13, "unexpected ')'"),
        ("parallel:1", 9, "2 to 256"),
        ("parallel:0", 9, "2 to 256"),
        (f"parallel:{MAX_COUNT + 1}", 9, "2 to 256"),
        ("parallel:99999999999999999999", 9, "2 to 256"),
        ("parallel:x", 9, "expected a number of adapters"),
        ("parallel(a,b;1,1)", 13, "takes no numbers"),
        ("batchsplit(a,b;1)", 14, "2 children but 1 batch_sizes"),
        ("batchsplit(a,b;1,2.5)", 17, "whole numbers"),
        ("split(a,b;3,)", 12, "expected a number"),
        ("average(a,b;0.5,0.5", 19, "not closed"),
        ('"a', 0, "not closed"),
        ('stack("")', 6, "cannot be empty"),
        ("stack(" * (MAX_DEPTH + 2) + "a", 6 * (MAX_DEPTH + 1), "nested deeper"),
    ],
)
def test_errors_point_at_the_character(text: str, position: int, words: str) -> None:
    with pytest.raises(ComposeError) as caught:
        parse(text)
    assert caught.value.position == position
    assert words in caught.value.line
    assert "\n" not in caught.value.line
    assert caught.value.exit_code == 2
    expression, caret = caught.value.pointer.splitlines()
    assert expression[2:] == text
    assert caret.index("^") - 2 == position


@given(st.text(max_size=40) | st.text(alphabet='parelstackb(),;:"\\ 1.', max_size=40))
def test_any_text_is_read_or_pointed_at(text: str) -> None:
    try:
        tree = parse(text)
    except ComposeError as error:
        position = error.position
    else:
        position = 0
        assert parse(str(tree)) == tree
    assert 0 <= position <= len(text)


@pytest.mark.parametrize("kind", KINDS)
def test_counted(kind: str) -> None:
    tree = parse(f"{kind} : 5")
    assert tree == Block(kind, ("a", "b", "c", "d", "e"))


def test_default_names_are_distinct() -> None:
    found = default_names(MAX_COUNT)
    assert len(set(found)) == MAX_COUNT
    assert found[25:28] == ("z", "a1", "b1")


def test_questions_about_a_tree() -> None:
    tree = parse("stack(a,parallel(b,stack(c,a),d))")
    assert adapter_names(tree) == ("a", "b", "c", "d")
    assert lane_count(tree) == 3
    assert [b.kind for b in walk(tree)] == ["stack", "parallel", "stack"]
    assert [str(lane_reference(tree, lane)) for lane in range(3)] == [
        "stack(a,b)",
        "stack(a,c,a)",
        "stack(a,d)",
    ]


@given(trees(), st.integers(0, 3))
def test_a_lane_has_no_parallel(tree: Block, lane: int) -> None:
    alone = lane_reference(tree, lane)
    assert lane_count(alone) == 1
    assert all(b.kind != "parallel" for b in walk(alone))
    assert set(adapter_names(alone)) <= set(adapter_names(tree))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not valid JSON"),
        ("[]", "not a saved adapter set-up"),
        ("{}", "not a saved adapter set-up"),
        ('{"type": "Stack", "children": []}', "unknown block type"),
        ('{"type": "Wat", "children": [{"type": "single", "children": ["a"]}]}', "'Wat'"),
        ('{"type": "Stack", "children": ["a"]}', "not a saved adapter set-up"),
        (
            '{"type": "BatchSplit", "children": [{"type": "single", "children": ["a"]}],'
            ' "kwargs": {"batch_sizes": ["x"]}}',
            "are not numbers",
        ),
        ("[" * 100_000, "not"),
    ],
)
def test_saved_set_ups_that_are_none(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_saved(text, "setup.json")
    assert words in caught.value.line
    assert "setup.json" in caught.value.line
