"""No text makes the composition language, a spec or a saved set-up end in anything but one line."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from adapter_audit.auditor.errors import UsageError
from adapter_audit.auditor.request.job import requested_job
from adapter_audit.auditor.schema.composition import KINDS, NUMBERED, Block, Node, as_block
from adapter_audit.auditor.schema.composition_parser import parse
from adapter_audit.auditor.schema.saved_setup import load_saved
from adapter_audit.auditor.schema.spec import AuditSpec

PIECES = st.sampled_from(
    [*KINDS, "(", ")", ",", ";", ":", '"', "\\", " ", "a", "b", "5", "0.5", "1e9", "-", "²", "\x00", "9" * 30]
)
NAMES = st.text("abcXYZ019_.-", min_size=1, max_size=6) | st.text(
    st.characters(codec="utf-8"), min_size=1, max_size=4
)


def check(error: UsageError, length: int = 10**9) -> None:
    """It can be shown as one line, and a position lies within the text."""
    assert "\n" not in error.line
    assert 0 <= getattr(error, "position", 0) <= length


@given(st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=60))
def test_any_text_parses_or_points_at_a_character(text: str) -> None:
    try:
        tree = parse(text)
    except UsageError as error:
        check(error, len(text))
        return
    assert parse(str(tree)) == tree


@st.composite
def trees(draw: st.DrawFn, depth: int = 3) -> Node:
    if depth == 0 or draw(st.booleans()):
        return draw(NAMES)
    kind = draw(st.sampled_from(list(KINDS)))
    children = tuple(draw(st.lists(trees(depth - 1), min_size=1, max_size=3)))
    numbers = None
    if kind in NUMBERED and draw(st.booleans()):
        whole = st.integers(0, 999).map(float)
        number = st.floats(0, 1, allow_nan=False) if kind == "average" else whole
        numbers = tuple(draw(number) for _ in children)
    return Block(kind, children, numbers)


@given(trees())
def test_a_tree_is_read_back_from_its_text(tree: Node) -> None:
    assert parse(str(as_block(tree))) == as_block(tree)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "children", "kwargs", "splits", "weights", "batch_sizes", "model", "compose"]
            ),
            inner,
            max_size=4,
        )
    ),
)


@given(VALUES | st.dictionaries(st.sampled_from(list(AuditSpec.model_fields)), VALUES))
def test_any_data_is_a_spec_or_one_line(data: Any) -> None:
    try:
        requested_job(AuditSpec.read(data), sizes_must_fit=True)
    except UsageError as error:
        check(error)


@given(
    st.lists(PIECES, max_size=12).map("".join) | trees().map(str),
    st.none() | st.integers(1, 4096),
    st.none() | st.integers(1, 99),
)
def test_any_composition_has_sizes(compose: str, batch: int | None, tokens: int | None) -> None:
    try:
        spec = AuditSpec.read({"model": "m", "compose": compose, "batch": batch, "seq_len": tokens})
        job = requested_job(spec)
        assert job.rows >= 1
        assert job.tokens >= 1
        requested_job(spec, sizes_must_fit=True)
    except UsageError as error:
        check(error)


@given(VALUES.map(json.dumps) | st.text(max_size=40))
def test_any_saved_set_up_is_read_or_one_line(text: str) -> None:
    try:
        assert isinstance(load_saved(text, "setup.json"), Block)
    except UsageError as error:
        check(error)


@given(st.text(max_size=60) | st.integers(1, 100_000).map(lambda n: "[" * n))
def test_any_line_is_a_spec_or_one_line(text: str) -> None:
    try:
        assert isinstance(AuditSpec.read_line(text), AuditSpec)
    except UsageError as error:
        check(error)
