"""Forward arguments: shapes, padding, special ids, and what a model does not take."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adapter_audit.auditor import toys
from adapter_audit.auditor.build.inputs import (
    decoder_length,
    input_maker,
    mask_of,
    real_lengths,
    repeat_rows,
    take_rows,
    task_ids,
)
from adapter_audit.auditor.errors import UsageError
from adapter_audit.auditor.request.job import Job
from adapter_audit.auditor.request.model_source import ModelSource
from adapter_audit.auditor.schema.composition_parser import parse
from adapter_audit.auditor.schema.spec import AuditSpec
from adapter_audit.auditor.trace.token_ids import special_ids

ALL = (
    toys.bert,
    toys.roberta,
    toys.distilbert,
    toys.deberta_v2,
    toys.gpt2,
    toys.llama,
    toys.t5,
    toys.bart,
    toys.mbart,
    toys.vit,
)


def made(model: Any, rows: int = 3, compose: str = "parallel:2", **fields: object) -> dict[str, Any]:
    spec = AuditSpec.read({"model": "m", "compose": compose} | fields)
    return input_maker(model, Job.of(spec, ModelSource("m", "test"))).make(rows)


@pytest.mark.parametrize("toy", ALL, ids=lambda f: f.__name__)
def test_every_model_runs_on_its_inputs(toy: Any) -> None:
    inputs = made(toy(), mask="right" if toy is not toys.vit else "none")
    assert {v.shape[0] for v in inputs.values()} == {3}
    with torch.no_grad():
        toy()(**inputs)


@pytest.mark.parametrize("toy", [toys.bert, toys.gpt2, toys.t5, toys.bart], ids=lambda f: f.__name__)
def test_special_ids_are_avoided(toy: Any) -> None:
    model = toy()
    ids = made(model)["input_ids"]
    eos = {model.config.eos_token_id}
    assert not set(ids.flatten().tolist()) & (special_ids(model.config) - eos)


def test_decoders_have_another_length() -> None:
    inputs = made(toys.t5(), seq_len=7)
    assert inputs["input_ids"].shape == (3, 7)
    assert inputs["decoder_input_ids"].shape == (3, 5)
    assert all(decoder_length(s) != s and decoder_length(s) >= 2 for s in range(1, 200))


@given(st.sampled_from(["right", "left"]), st.integers(2, 9), st.integers(2, 12))
def test_padding(mask: str, rows: int, tokens: int) -> None:
    lengths = real_lengths(mask, rows, tokens)
    table = mask_of(lengths, tokens, left=mask == "left")
    assert table.sum(1).tolist() == lengths
    assert lengths[0] == tokens
    assert all(1 <= n < tokens for n in lengths[1:])
    edge = table[:, -1] if mask == "left" else table[:, 0]
    assert edge.tolist() == [1] * rows


def test_a_lone_row_is_padded_too() -> None:
    assert real_lengths("right", 1, 7) == [5]
    assert real_lengths("full", 2, 7) == real_lengths("none", 2, 7) == [7, 7]


def test_padding_holds_the_padding_token() -> None:
    model = toys.t5()
    for mask in ("right", "left"):
        inputs = made(model, mask=mask)
        assert (inputs["input_ids"][inputs["attention_mask"] == 0] == model.config.pad_token_id).all()
        assert (inputs["input_ids"][inputs["attention_mask"] == 1] != model.config.pad_token_id).all()


def test_extra_inputs() -> None:
    inputs = made(toys.bert(), inputs=["position_ids", "token_type_ids", "output_attentions"])
    assert inputs["position_ids"].tolist() == [list(range(row, 7 + row)) for row in range(3)]
    assert inputs["token_type_ids"].unique().tolist() == [0, 1]
    assert inputs["output_attentions"] is True
    assert made(toys.bert(), inputs=["inputs_embeds"])["inputs_embeds"].shape == (3, 7, toys.WIDTH)
    assert "input_ids" not in made(toys.bert(), inputs=["inputs_embeds"])
    labelled = made(toys.t5(), inputs=["labels"])
    assert labelled["labels"].shape == (3, 5)
    assert "decoder_input_ids" not in labelled
    embedded = made(toys.bart(), inputs=["decoder_inputs_embeds", "decoder_attention_mask"])
    assert embedded["decoder_inputs_embeds"].shape == (3, 5, toys.WIDTH)
    assert embedded["decoder_attention_mask"].shape == (3, 5)


def test_rows_have_positions_of_their_own() -> None:
    positions = made(toys.llama(), inputs=["position_ids"], mask="left")["position_ids"]
    lengths = real_lengths("left", 3, 7)
    for row, length in enumerate(lengths):
        assert positions[row, 7 - length] == row  # where counting begins, padding left out
        steps = positions[row, 7 - length :].diff().tolist()
        assert sorted(steps) == sorted([1] * (length - 2) + [1 + row])  # a gap that rotary embeddings see
    assert made(toys.bert(), inputs=["position_ids"], seq_len=toys.POSITIONS)["position_ids"].max() == 63


def test_inputs_that_the_model_does_not_take() -> None:
    with pytest.raises(UsageError, match="'decoder_input_ids' does not exist for this model"):
        made(toys.bert(), inputs=["decoder_input_ids"])
    with pytest.raises(UsageError, match="its forward takes"):
        made(toys.vit(), inputs=["position_ids"])


def test_generation_starts_without_decoder_inputs() -> None:
    assert "decoder_input_ids" not in made(toys.t5(), mode="generate")


def test_inputs_are_the_same_every_time() -> None:
    first, second = made(toys.t5(), mask="left"), made(toys.t5(), mask="left")
    assert all(torch.equal(first[name], second[name]) for name in first)


@given(st.integers(2, 4), st.integers(4, 9))
def test_every_task_is_used(tasks: int, rows: int) -> None:
    found = task_ids(parse(f"multitask:{tasks}"), rows).tolist()
    assert set(found) == set(range(tasks))
    assert found != sorted(found)
    assert made(toys.bert(), rows=rows, compose=f"multitask:{tasks}")["task_ids"].tolist() == found


def test_rows_are_repeated_lane_major_and_taken() -> None:
    inputs = {"x": torch.arange(6).reshape(3, 2), "flag": True, "scalar": torch.tensor(1)}
    inputs |= {"position_ids": torch.arange(2)[None], "head_mask": torch.ones(3, 4)}
    repeated = repeat_rows(inputs, 2, 3)
    assert [repeated[name].shape[0] for name in ("position_ids", "head_mask")] == [1, 3]
    assert repeated["x"][:, 0].tolist() == [0, 2, 4, 0, 2, 4]
    assert repeated["flag"] is True
    assert take_rows(inputs, torch.tensor([2, 0]), 3)["x"].tolist() == [[4, 5], [0, 1]]
    taken = take_rows(inputs, torch.tensor([2]), 3)
    assert taken["scalar"].item() == 1
    assert [taken[name].shape[0] for name in ("position_ids", "head_mask")] == [1, 3]
