"""Specs: defaults that show bugs, sizes that fit, one-line errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter_audit.auditor.errors import UsageError
from adapter_audit.auditor.request.job import Job, requested_job
from adapter_audit.auditor.schema.composition_parser import parse
from adapter_audit.auditor.schema.spec import AuditSpec


def spec(**fields: object) -> AuditSpec:
    return AuditSpec.read({"model": "m", "compose": "parallel:2"} | fields)


def job(**fields: object) -> Job:
    return requested_job(spec(**fields))


@given(st.integers(2, 40))
def test_default_batch_hides_nothing(lanes: int) -> None:
    """One row broadcasts, and a multiple of N looks as if it were replicated."""
    rows = job(compose=f"parallel:{lanes}").rows
    assert rows >= 3
    assert rows % lanes


@given(st.sampled_from(["batchsplit", "split"]), st.integers(2, 6), st.integers(6, 60))
def test_open_sizes_are_shared_out(kind: str, parts: int, total: int) -> None:
    size = {"batch": total} if kind == "batchsplit" else {"seq_len": total}
    numbers = job(compose=f"{kind}:{parts}", **size).tree.numbers
    assert numbers is not None
    assert sum(numbers) == total
    assert max(numbers) - min(numbers) <= 1


def test_sizes_follow_the_composition() -> None:
    assert job(compose="batchsplit(a,b;2,3)").rows == 5
    assert job(compose="split(a,b;4,7)").tokens == 11
    open_sizes = job(compose="batchsplit:4")
    assert open_sizes.rows == sum(open_sizes.tree.numbers or ())


def test_methods() -> None:
    assert job(adapter="seq_bn", adapters={"b": "ia3"}).methods == {"a": "seq_bn", "b": "ia3"}
    assert job().methods == {"a": "lora", "b": "lora"}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([], "must be a JSON object: got list"),
        ({"compose": "a"}, "'model' is missing"),
        ({"model": "m", "compose": "a", "seqlen": 3}, "did you mean 'seq_len'"),
        ({"model": "m", "compose": "a", "batch": 0}, "batch"),
        ({"model": "m", "compose": "a", "mask": "middle"}, "mask"),
        ({"model": "m", "compose": "a", "inputs": ["wat"]}, "inputs.0"),
        ({"model": 3, "compose": "a"}, "model"),
    ],
)
def test_bad_data_is_one_line(data: object, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        AuditSpec.read(data)
    assert words in caught.value.line
    assert "\n" not in caught.value.line


@pytest.mark.parametrize("line", ["", "{", "nul", "[" * 100_000, '{"model": 1e999}'])
def test_bad_lines_are_usage_errors(line: str) -> None:
    with pytest.raises(UsageError):
        AuditSpec.read_line(line)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(sorted(AuditSpec.model_fields)) | st.text(max_size=3), inner, max_size=4
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_is_a_spec_or_a_usage_error(data: object) -> None:
    try:
        AuditSpec.read_line(json.dumps(data))
        lines = 1
    except UsageError as error:
        lines = len(error.line.splitlines())
    assert lines == 1


def test_adapters_that_are_not_in_the_composition() -> None:
    with pytest.raises(UsageError, match="names an adapter that is not in the composition"):
        job(adapters={"z": "lora"})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"compose": "batchsplit(a,b;2,1)", "batch": 4}, "2+1=3 do not fit the batch of 4"),
        ({"compose": "split(a,b;4,4)", "seq_len": 7}, "4+4=8 do not fit the sequence length 7"),
    ],
)
def test_sizes_that_do_not_fit(fields: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        requested_job(spec(**fields), sizes_must_fit=True)
    assert words in caught.value.line


def test_saved_set_up(tmp_path: Path) -> None:
    from adapters.composition import Parallel, Stack

    saved = {"adapter_composition": Stack("a", Parallel("b", "c")).to_dict(), "head_setup": None}
    file = tmp_path / "adapter_setup.json"
    file.write_text(json.dumps(saved))
    expected = parse("stack(a,parallel(b,c))")
    assert job(compose=str(file)).tree == job(compose=str(tmp_path)).tree == expected


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"{"])
def test_saved_set_ups_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "adapter_setup.json"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError, match="adapter_setup"):
        job(compose=str(file))
