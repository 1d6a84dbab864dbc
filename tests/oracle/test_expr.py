"""Which reference each output row has, worked out by hand."""

from __future__ import annotations

import pytest

from .expr import ExprError, expected, lanes, parse, simplify


@pytest.mark.parametrize(
    "text",
    ["a", "parallel(a,b)", "stack(a,parallel(b,c))", "batchsplit(a,b;2,1)", "average(a,b;0.3,0.7)"],
)
def test_an_expression_is_printed_as_it_was_read(text: str) -> None:
    assert str(parse(text)) == text


def test_short_form_names_its_adapters() -> None:
    assert str(parse("parallel:3")) == "parallel(a0,a1,a2)"


@pytest.mark.parametrize("text", ["", "parallel(a", "parallel(a,b))", "nonsense(a)", "parallel(a b)", "a%b"])
def test_what_cannot_be_read_is_an_error(text: str) -> None:
    with pytest.raises(ExprError):
        parse(text)


@pytest.mark.parametrize(
    ("text", "flat"),
    [
        ("stack(a)", "a"),
        ("stack(a,stack(b,c))", "stack(a,b,c)"),
        ("average(stack(a),b)", "average(a,b)"),
    ],
)
def test_stacks_that_change_nothing_are_dropped(text: str, flat: str) -> None:
    assert str(simplify(parse(text))) == flat


@pytest.mark.parametrize(
    ("text", "batch", "rows"),
    [
        ("a", 2, [["a", "a"]]),
        ("parallel(a,b)", 2, [["a", "a"], ["b", "b"]]),
        ("stack(a,parallel(b,c))", 1, [["stack(a,b)"], ["stack(a,c)"]]),
        ("batchsplit(a,b;2,1)", 3, [["a", "a", "b"]]),
        ("batchsplit(batchsplit(a,b;1,1),c;2,1)", 3, [["a", "b", "c"]]),
        ("multitask(a,b)", 3, [["a", "b", "a"]]),
        ("parallel(batchsplit(a,b;1,1),c)", 2, [["a", "b"], ["c", "c"]]),
        ("stack(batchsplit(a,b;1,1),c)", 2, [["stack(a,c)", "stack(b,c)"]]),
        ("average(batchsplit(a,b;0,2),c)", 2, [["average(b,c)", "average(b,c)"]]),
    ],
)
def test_every_row_has_its_reference(text: str, batch: int, rows: list[list[str]]) -> None:
    assert [[str(e) for e in lane] for lane in expected(parse(text), batch)] == rows


def test_sizes_that_do_not_cover_the_batch_are_an_error() -> None:
    with pytest.raises(ExprError, match="row 2"):
        expected(parse("batchsplit(a,b;1,1)"), 3)


def test_lanes_are_those_of_the_widest_parallel() -> None:
    assert lanes(parse("stack(a,parallel(b,c,d))")) == 3
    assert lanes(parse("stack(a,b)")) == 1
