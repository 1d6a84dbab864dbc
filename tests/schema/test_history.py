"""Histories: what is a step, and what must act after each."""

from __future__ import annotations

import pytest

from adapter_audit.auditor.errors import UsageError
from adapter_audit.auditor.schema.composition_parser import parse
from adapter_audit.auditor.schema.history import Step, expectations, parse_history, strangers
from adapter_audit.auditor.schema.spec import AuditSpec


def test_steps_are_read_and_written() -> None:
    texts = ("merge", "merge(a,b)", "set(de)", "error", "error(mixed(a,b))", "unload")
    steps = parse_history(texts)
    assert steps[1] == Step("merge", ("a", "b"))
    assert steps[4] == Step("error", call="mixed(a,b)")
    assert tuple(map(str, steps)) == texts


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mrege", "did you mean 'merge'?"),
        ("merge(a", "'merge(a' is no step"),
        ("unmerge(a)", "unmerge takes no adapters"),
        ("set", "set needs an adapter, for example set(a)"),
        ("", "known: unmerge"),
    ],
)
def test_what_is_no_step(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_history([text])
    assert words in caught.value.line


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ("merge unmerge", "active(a,b) active(a,b)"),
        ("set(b) disable enable", "active(b) None active(b)"),
        ("disable merge(a)", "None active(a)"),
        ("set(b) unload", "active(b) None"),
        ("merge_and_unload", "active(a,b)"),
        ("merge_and_unload(b)", "active(b)"),
        ("error delete(c) save_load", "active(a,b) active(a,b) active(a,b)"),
    ],
)
def test_what_must_act_after_each(steps: str, expected: str) -> None:
    found = expectations(parse("active(a,b)"), parse_history(steps.split()), "active")
    assert " ".join(map(str, found)) == expected


def test_a_mixed_batch_is_told_in_each_call() -> None:
    tree = parse("mixed(a,b;1,2)")
    assert expectations(tree, parse_history(["set(b)", "merge(a)"]), "active") == [tree, tree]


def test_strangers() -> None:
    assert strangers(Step("delete", ("a", "nope")), ("a", "b")) == ("nope",)


def test_a_spec_without_history_is_as_before() -> None:
    assert "history" not in AuditSpec.read({"model": "m", "compose": "a"}).plain()
    spec = AuditSpec.read({"model": "m", "compose": "a", "history": ["merge"]})
    assert spec.plain()["history"] == ["merge"]
