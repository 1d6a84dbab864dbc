"""The oracle against what is known: healthy set-ups, a known crash, and defects planted into the library."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import adapters
import pytest
import torch
from adapters.composition import Average, Parallel
from adapters.methods.adapter_layer_base import ComposableAdapterLayerBase
from adapters.methods.lora import LoRA, LoRALinear

from .judge import judge
from .models import write_models

LORA = "lora[r=2]"
SEQ = "seq_bn[reduction_factor=4]"
PARALLEL = "par_bn[reduction_factor=4]"
INVERTIBLE = "seq_bn_inv[reduction_factor=4]"
DOUBLE = "double_seq_bn[reduction_factor=4]"
PREFIX = "prefix_tuning[prefix_length=3,bottleneck_size=8]"
FFN = "lora[r=2,selfattn_lora=False,intermediate_lora=True,output_lora=True]"

Judge = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_models(tmp_path_factory.mktemp("models"))


@pytest.fixture
def ask(models: dict[str, Path]) -> Judge:
    def ask(model: str, adapter: str, compose: str = "parallel(a,b)", **more: Any) -> dict[str, Any]:
        spec = {"model": str(models[model]), "compose": compose, "adapter": adapter, "batch": 3, "seq_len": 7}
        return judge({**spec, **more})

    return ask


@pytest.mark.parametrize("mask", ["none", "right"])
@pytest.mark.parametrize(
    ("model", "adapter"),
    [
        *[(m, c) for m in ("bert", "albert", "electra") for c in (LORA, "ia3", SEQ, DOUBLE, PREFIX)],
        *[(m, c) for m in ("t5", "bart", "mbart") for c in (SEQ, DOUBLE, PREFIX, FFN)],
        *[("gpt2", c) for c in (SEQ, DOUBLE)],
    ],
)
def test_healthy_set_ups_are_ok(ask: Judge, model: str, adapter: str, mask: str) -> None:
    result = ask(model, adapter, mask=mask)
    assert (result["verdict"], result["detail"]) == ("ok", "")
    assert result["gap"] < 1e-12


@pytest.mark.parametrize("mode", ["train", "generate", "beam"])
def test_other_modes_are_ok_too(ask: Judge, mode: str) -> None:
    head = None if mode == "train" else "Seq2SeqLM"
    assert ask("bart", SEQ, mode=mode, head=head)["verdict"] == "ok"


def test_lora_of_different_ranks_is_ok(ask: Judge) -> None:
    configs = {"a": "lora[r=2]", "b": "lora[r=5]"}
    assert ask("roberta", LORA, adapters=configs)["verdict"] == "ok"


def test_known_crash_is_seen_at_its_line_and_only_beyond_one_row(ask: Judge) -> None:
    crash = ask("t5", "lora[r=2,leave_out=[0]]")
    assert (crash["verdict"], crash["phase"]) == ("crash", "forward")
    assert crash["crash_file"] == "adapters/models/t5/modeling_t5.py"
    assert "scores += position_bias_masked" in crash["crash_code"]
    assert ask("t5", "lora[r=2,leave_out=[0]]", batch=1)["verdict"] == "ok"


@pytest.mark.parametrize(
    ("model", "adapter", "compose", "phase"),
    [
        ("bert", LORA, "parallel(parallel(a,b),c)", "activate"),
        ("bert", SEQ, "batchsplit(a,b;3,1)", "forward"),
        ("clip", LORA, "parallel(a,b)", "activate"),
        ("qwen2", PREFIX, "stack(a,b)", "add"),
    ],
)
def test_refusals_are_not_crashes(ask: Judge, model: str, adapter: str, compose: str, phase: str) -> None:
    result = ask(model, adapter, compose)
    assert (result["verdict"], result["phase"]) == ("refused", phase)
    assert result["crash_file"].startswith("adapters/")


def test_an_adapter_without_weights_has_no_effect(ask: Judge) -> None:
    configs = {"a": LORA, "b": "lora[r=2,leave_out=[0,1]]"}
    result = ask("bert", LORA, "stack(a,b)", adapters=configs)
    assert result["verdict"] == "no-effect"
    assert "b changes nothing" in result["detail"]


def test_a_spec_that_cannot_be_read_is_invalid(ask: Judge) -> None:
    assert ask("bert", LORA, "parallel(a")["verdict"] == "invalid"


# Planted defects. Each is healthy without the plant (see above).


def _patched_lanes(monkeypatch: pytest.MonkeyPatch, order: Callable[[list[Any]], list[Any]]) -> None:
    original = ComposableAdapterLayerBase.compose_parallel

    def compose(self: Any, setup: Any, state: Any, lvl: int = 0) -> Any:
        return original(self, Parallel(*order(list(setup))), state, lvl)

    monkeypatch.setattr(ComposableAdapterLayerBase, "compose_parallel", compose)


@pytest.mark.parametrize(
    "order",
    [lambda c: c[::-1], lambda c: [c[0]] * len(c), lambda c: c[1:] + c[:1]],
    ids=["reversed", "first-for-all", "shifted"],
)
def test_lanes_with_the_wrong_adapter_are_wrong(
    ask: Judge, monkeypatch: pytest.MonkeyPatch, order: Callable[[list[Any]], list[Any]]
) -> None:
    _patched_lanes(monkeypatch, order)
    result = ask("bert", LORA)
    assert result["verdict"] == "wrong"
    assert "lanes" in result["violations"]
    assert result["gap"] > 1e-2


def test_a_small_leak_between_lanes_is_wrong(ask: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    original = LoRALinear.pad_and_concat

    def leaking(self: Any, states: Any) -> Any:
        state = original(self, states)
        return state._replace(hidden_states=state.hidden_states + 1e-3 * state.hidden_states.flip(0))

    monkeypatch.setattr(LoRALinear, "pad_and_concat", leaking)
    assert ask("bert", LORA)["violations"] == ["lanes"]


def test_a_dead_adapter_has_no_effect(ask: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    original = LoRA.forward

    def dead(self: Any, hidden_states: Any, layer_input: Any) -> Any:
        output, gate = original(self, hidden_states, layer_input)
        return (output * 0 if self.name == "b" else output), gate

    monkeypatch.setattr(LoRA, "forward", dead)
    result = ask("bert", LORA)
    assert (result["verdict"], result["violations"]) == ("no-effect", ["effect"])


def test_a_lost_gradient_is_wrong_in_training_only(ask: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    original = ComposableAdapterLayerBase.compose_parallel

    def detached(self: Any, setup: Any, state: Any, lvl: int = 0) -> Any:
        state = original(self, setup, state, lvl)
        first, second = state.hidden_states.chunk(2)
        return state._replace(hidden_states=torch.cat([first, second.detach()]))

    monkeypatch.setattr(ComposableAdapterLayerBase, "compose_parallel", detached)
    assert ask("bert", LORA)["verdict"] == "ok"
    assert ask("bert", LORA, mode="train")["violations"] == ["gradient"]


def test_initialisation_that_changes_the_model_is_wrong(ask: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    original = adapters.init

    def careless(model: Any, *args: Any, **kwargs: Any) -> None:
        original(model, *args, **kwargs)
        with torch.no_grad():
            next(p for p in model.parameters() if p.dim() > 1).mul_(1.01)

    monkeypatch.setattr(adapters, "init", careless)
    assert ask("bert", LORA)["violations"] == ["init"]


def test_inputs_changed_in_place_are_wrong(ask: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    original = ComposableAdapterLayerBase.compose_parallel
    seen: list[torch.Tensor] = []
    clone = torch.Tensor.clone

    def remember(self: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        copy: torch.Tensor = clone(self, *args, **kwargs)
        if copy.dtype == torch.long:
            seen.append(copy)
        return copy

    def careless(self: Any, setup: Any, state: Any, lvl: int = 0) -> Any:
        for tensor in seen:
            tensor.zero_()
        return original(self, setup, state, lvl)

    monkeypatch.setattr(torch.Tensor, "clone", remember)
    monkeypatch.setattr(ComposableAdapterLayerBase, "compose_parallel", careless)
    assert ask("bert", LORA)["violations"] == ["purity"]


def test_an_average_that_loses_scale_is_wrong_and_a_right_one_is_ok(
    ask: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mean(scale: float) -> Callable[..., Any]:
        def mean(self: Any, states: Any, weights: Any) -> Any:
            stacked = torch.stack([s.hidden_states for s in states])
            return states[0]._replace(hidden_states=scale * (stacked * weights).sum(0), last=states[-1].last)

        return mean

    monkeypatch.setattr(LoRALinear, "mean", mean(0.5))
    assert ask("bert", LORA, "average(a,b)")["violations"] == ["neutrality"]
    monkeypatch.setattr(LoRALinear, "mean", mean(1.0))
    assert ask("bert", LORA, "average(a,b)")["verdict"] == "ok"
    assert Average("a", "b").weights == [0.5, 0.5]


@pytest.mark.parametrize(
    ("model", "compose", "first", "last", "verdict"),
    [
        ("bert", "split(a,b;3,4)", SEQ, SEQ, "ok"),
        ("bert", "split(a,b;3,4)", SEQ, PARALLEL, "wrong"),
        ("bert", "split(a,b;3,4)", SEQ[:-1] + ",original_ln_after=False]", SEQ, "wrong"),
        ("bert", "fuse(a,b)", "seq_bn[reduction_factor=2]", SEQ, "ok"),
        ("bert", "fuse(a,b)", PARALLEL, SEQ, "wrong"),
        ("bert", "fuse(a,b)", SEQ[:-1] + ",ln_after=True]", SEQ, "wrong"),
        ("bert", "fuse(a,b)", SEQ, SEQ[:-1] + ",ln_after=True]", "wrong"),
        ("gemma2", "average(a,b)", SEQ, SEQ, "ok"),
        ("gemma2", "average(a,b)", INVERTIBLE, INVERTIBLE, "wrong"),
    ],
)
def test_a_block_that_gives_everything_to_one_child_is_that_child(
    ask: Judge, model: str, compose: str, first: str, last: str, verdict: str
) -> None:
    result = ask(model, SEQ, compose, adapters={"a": first, "b": last})
    assert (result["verdict"], result["notes"]) == (verdict, [])
    assert result["violations"] == (["neutrality"] if verdict == "wrong" else [])
