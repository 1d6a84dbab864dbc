"""Lists with commas in them, and the combinations of three lists."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter_audit.auditor.errors import UsageError
from adapter_audit.auditor.jobs.matrix_specs import as_lines, combinations, split_list, split_lists
from adapter_audit.auditor.schema.spec import AuditSpec


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("t5-base,bert-base-uncased", ["t5-base", "bert-base-uncased"]),
        ("parallel:2,stack(a,parallel(b,c))", ["parallel:2", "stack(a,parallel(b,c))"]),
        ("average(a,b;0.3,0.7),batchsplit(a,b;2,1)", ["average(a,b;0.3,0.7)", "batchsplit(a,b;2,1)"]),
        ("lora[r=8,leave_out=[0,1]]|par_bn,seq_bn", ["lora[r=8,leave_out=[0,1]]|par_bn", "seq_bn"]),
        ('parallel("a,(b",c),a', ['parallel("a,(b",c)', "a"]),
        (r'stack("a\",",b),c', [r'stack("a\",",b)', "c"]),
        (" a , ,b,", ["a", "b"]),
        ("", []),
    ],
)
def test_commas_split_only_outside_brackets(text: str, parts: list[str]) -> None:
    assert split_list(text) == parts


@pytest.mark.parametrize("text", ["parallel(a", "a)", 'stack("a,b)', "lora[r=8"])
def test_brackets_have_to_match(text: str) -> None:
    with pytest.raises(UsageError):
        split_list(text)


def check(error: UsageError) -> None:
    """It can be shown as one line."""
    assert "\n" not in error.line


@given(st.text('ab,()[]"\\ ;:', max_size=30))
def test_any_text_splits_or_is_one_line(text: str) -> None:
    try:
        parts = split_list(text)
    except UsageError as error:
        check(error)
        return
    assert "".join(parts).replace(" ", "").replace(",", "") == text.replace(" ", "").replace(",", "")


def test_every_combination_once() -> None:
    models = split_lists(("m,n", "m"))
    specs = combinations(models, ["lora", "seq_bn"], ["parallel:2", "stack(a,b)"], mask="right")
    assert len(specs) == len({spec.id for spec in specs}) == 8
    assert {spec.mask for spec in specs} == {"right"}
    for spec, line in zip(specs, as_lines(specs), strict=True):
        assert AuditSpec.read_line(line.text) == spec
        assert line.id == spec.id


@pytest.mark.parametrize("lists", [([], ["lora"], ["a"]), (["m"], [], ["a"]), (["m"], ["lora"], [])])
def test_an_empty_list_is_refused(lists: tuple[list[str], list[str], list[str]]) -> None:
    with pytest.raises(UsageError, match="names nothing"):
        combinations(*lists)


def test_a_composition_that_cannot_be_read_is_refused_at_once() -> None:
    with pytest.raises(UsageError, match="did you mean 'stack'"):
        combinations(["m"], ["lora"], ["parallel:2", "stak(a,b)"])
