"""Lists with commas in them, and the combinations of three lists."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter_audit.auditor.errors import UsageError
from adapter_audit.auditor.jobs.matrix_specs import (
    as_lines,
    chosen,
    combinations,
    every_block,
    every_method,
    every_model,
    generates,
    shard,
    split_list,
    split_lists,
)
from adapter_audit.auditor.jobs.share_groups import groups
from adapter_audit.auditor.library.find_library import library_named
from adapter_audit.auditor.request.catalogue import lookup
from adapter_audit.auditor.schema.audit_options import AuditOptions
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


def test_the_default_is_all_there_is() -> None:
    library = library_named(None)
    types = [str(lookup(name).config["model_type"]) for name in every_model()]  # type: ignore[union-attr]
    assert len(types) == len(set(types)) >= 25
    assert len(every_method(library)) >= 16
    assert len(every_block(library)) == 1 + 7
    specs = combinations(["t5-small"], every_method(library), every_block(library))
    assert [len(group) for group in groups(as_lines(specs), AuditOptions())] == [1, 7] * (len(specs) // 8)


def test_patterns_pick_from_what_is_known() -> None:
    known = ["lora", "mtl_lora", "seq_bn", "compacter++"]
    assert chosen((), known) == known
    assert chosen(("*lora",), known, ("mtl*",)) == ["lora"]
    assert chosen(("lora[r=8],seq_b?", "lora[r=8]"), known) == ["lora[r=8]", "seq_bn"]
    assert chosen(("lora[r=*],lora",), [*known, "lora[r=2]"]) == ["lora[r=2]", "lora"]
    with pytest.raises(UsageError, match="matches nothing"):
        chosen(("vera*",), known)


@pytest.mark.parametrize(
    ("model", "makes_text"),
    [
        ("t5-small", True),
        ("distilgpt2", True),
        ("bert-base-uncased", False),
        ("meta-llama/Llama-3.2-1B", True),
    ],
)
def test_who_makes_text(model: str, makes_text: bool) -> None:
    assert generates(model, offline=True) is makes_text


def test_modes_that_are_not_asked_of_a_model_are_left_out() -> None:
    specs = combinations(
        ["m", "n"], ["lora"], ["a"], ["train", "beam"], lambda m, mode: (m, mode) != ("n", "beam")
    )
    assert [spec.id for spec in specs] == ["m a lora train", "m a lora beam", "n a lora train"]


@given(st.integers(1, 9), st.integers(1, 4), st.integers(1, 4))
def test_the_shards_are_the_whole(count: int, models: int, methods: int) -> None:
    names, kinds = [f"m{n}" for n in range(models)], [f"k{n}" for n in range(methods)]
    specs = combinations(names, kinds, ["parallel:2", "stack(a,b)", "a"])
    parts = [shard(specs, number, count) for number in range(1, count + 1)]
    assert [spec for part in parts for spec in part] == specs
    assert all(len(part) % 3 == 0 for part in parts)
