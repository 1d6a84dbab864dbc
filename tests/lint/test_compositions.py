"""AA607 against the library itself: for any literal, both refuse it or both take it."""

from __future__ import annotations

from pathlib import Path

import adapters.composition as library
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter_audit.auditor.lint.engine import all_source_rules
from adapter_audit.auditor.lint.source_file import SourceFile
from adapter_audit.rules.aa607_refused_composition import NESTINGS

from .conftest import Check

RULE = next(r for r in all_source_rules() if r.id == "AA607")
KINDS = sorted(NESTINGS)


def literal(kind: str, children: list[str]) -> str:
    keyword = {"BatchSplit": "batch_sizes", "Split": "splits"}.get(kind)
    numbers = f", {keyword}={[1] * len(children)}" if keyword else ""
    return f"ac.{kind}({', '.join(children)}{numbers})"


names = st.sampled_from(['"a"', '"b"', '"c"'])
trees = st.recursive(
    names,
    lambda inner: st.builds(literal, st.sampled_from(KINDS), st.lists(inner, min_size=1, max_size=3)),
    max_leaves=8,
)
blocks = st.builds(literal, st.sampled_from(KINDS), st.lists(trees, min_size=1, max_size=3))


def refused_by_library(text: str) -> bool:
    try:
        library.parse_composition(eval(text, {"ac": library}))
    except ValueError:
        return True
    return False


@settings(max_examples=400, deadline=None)
@given(blocks)
def test_agrees_with_the_library(text: str) -> None:
    source = SourceFile.parse(f"import adapters.composition as ac\nx = {text}\n".encode(), Path("x.py"))
    assert bool(list(RULE.check(source))) is refused_by_library(text), text


def test_table_for_environments_without_the_library_is_that_of_the_library() -> None:
    table = {k.__name__: {v.__name__ for v in values} for k, values in library.ALLOWED_NESTINGS.items()}
    assert table == NESTINGS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("BatchSplit('a', 'b', batch_sizes=[1, 2, 3])", "2 children but 3 batch_sizes"),
        ("Split('a', 'b', splits=[1])", "2 children but 1 splits"),
        ("Average('a', 'b', weights=[1.0])", "2 children but 1 weights"),
        ("BatchSplit('a', 'b')", "needs batch_sizes"),
        ("Parallel('a', Fuse('b', 'c'))", "Parallel cannot hold a Fuse"),
        ("Stack('a', Parallel('b', Average('c', 'd')))", "nested too deep"),
    ],
)
def test_messages(check: Check, text: str, expected: str) -> None:
    (flaw,) = check(f"from adapters.composition import *\nmodel.active_adapters = {text}\n", "AA607")
    assert expected in flaw.message


@pytest.mark.parametrize(
    "text",
    [
        "ac.BatchSplit('a', 'b', batch_sizes=sizes)",
        "ac.BatchSplit('a', 'b', batch_sizes=[*sizes])",
        "ac.BatchSplit(*names, batch_sizes=[1])",
        "ac.BatchSplit('a', 'b', **options)",
        "ac.Parallel('a', unknown)",
        "ac.Parallel('a', make())",
        "other.Parallel('a', other.Fuse('b', 'c'))",
    ],
)
def test_what_is_not_known_is_not_reported(check: Check, text: str) -> None:
    assert check(f"import adapters.composition as ac\nx = {text}\n", "AA607") == []


def test_names_are_followed_only_when_bound_once(check: Check) -> None:
    once = "import adapters.composition as ac\ninner = ac.Fuse('a', 'b')\nx = ac.Parallel('c', inner)\n"
    (flaw,) = check(once, "AA607")
    assert flaw.line == 3
    assert check(once.replace("x =", "inner = other()\nx ="), "AA607") == []


def test_each_function_is_a_scope(check: Check) -> None:
    text = (
        "from adapters import Fuse, Parallel\ndef f():\n    inner = Fuse('a', 'b')\n    return inner\n"
        "def g(inner):\n    return Parallel('c', inner)\ndef h():\n    return Parallel('a', Fuse('b', 'c'))\n"
    )
    assert [f.line for f in check(text, "AA607")] == [8]
