"""The oracle of models in hand: right and wrong set-ups, whose verdict is known by construction."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import adapters
import adapters.composition as ac
import pytest
import torch
import transformers
from adapters import AutoAdapterModel

from .alone import alone
from .in_hand import judge_in_hand
from .models import MODELS

IDS = torch.arange(21).reshape(3, 7) + 5


def bert(method: str = "seq_bn[reduction_factor=4]", **more: Any) -> Any:
    torch.manual_seed(0)
    model = transformers.AutoModel.from_config(_config(**more))
    adapters.init(model)
    for name in "abcd":
        model.add_adapter(name, config=method)
    return model.eval()


def _config(**more: Any) -> Any:
    return transformers.AutoConfig.for_model(**(MODELS["bert"].config | more))


def verdict(model: Any, block: Any, mode: str = "forward", **more: Any) -> str:
    model.set_active_adapters(block)
    return judge_in_hand(model, {"input_ids": IDS, **more}, mode).verdict


def test_lanes_that_are_right() -> None:
    assert verdict(bert(), ac.Parallel("a", "b")) == "ok"
    assert verdict(bert(), ac.Parallel("a", "b"), "train") == "ok"
    assert verdict(bert(), ac.BatchSplit("a", "b", batch_sizes=[1, 2])) == "ok"


def test_a_stack_in_lanes_behind_another_adapter_is_wrong() -> None:
    nested = ac.Stack("a", ac.Parallel(ac.Stack("b", "c"), "d"))
    assert verdict(bert(), nested) == "wrong"
    assert verdict(bert("lora[r=2]"), nested) == "ok"


def test_lanes_that_a_model_swaps_are_wrong() -> None:
    model = bert()
    model.encoder.layer[1].register_forward_hook(
        lambda _, __, output: (
            (output[0].roll(3, 0), *output[1:]) if isinstance(output, tuple) else output.roll(3, 0)
        )
    )
    assert verdict(model, ac.Parallel("a", "b")) == "wrong"


@pytest.mark.parametrize("block", [ac.Parallel("a", "b"), ac.BatchSplit("a", "b", batch_sizes=[1, 2])])
def test_every_head_serves_its_rows(block: Any) -> None:
    torch.manual_seed(0)
    model = AutoAdapterModel.from_config(_config())
    for name, labels in (("a", 2), ("b", 3)):
        model.add_adapter(name, config="seq_bn")
        model.add_classification_head(name, num_labels=labels)
    assert verdict(model.eval(), block) == "ok"


def test_a_named_fusion_is_the_one_that_is_looked_at() -> None:
    model = bert()
    for fusion in (ac.Fuse("a", "b"), ac.Fuse("a", "b", name="own")):
        model.add_adapter_fusion(fusion)
    assert verdict(model, ac.Fuse("a", "b", name="own")) == "ok"


def test_half_precision_runs_as_it_is() -> None:
    model = bert("lora[r=2]").to(torch.bfloat16)
    assert verdict(model, ac.Parallel("a", "b")) == "ok"
    model.get_parameter("encoder.layer.0.attention.self.query.loras.a.lora_A").data = torch.ones(2, 32)
    assert verdict(model, ac.Parallel("a", "b")) == "crash"


def test_the_model_stays_as_it_was() -> None:
    model = bert()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    verdict(model, ac.Parallel("a", "b"))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_work_alone_answers_whatever_happens(tmp_path: Path) -> None:
    assert alone(lambda: {"one": 1}, 20.0) == {"one": 1}
    assert alone(lambda: os.kill(os.getpid(), signal.SIGKILL) or {}, 20.0) == {"died": "SIGKILL"}
    assert alone(lambda: time.sleep(60) or {}, 0.2) == {"died": "timeout"}
    assert "ZeroDivisionError" in alone(lambda: {"x": 1 / 0}, 20.0)["raised"]
