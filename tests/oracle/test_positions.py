"""The longest sequence is known before the model is made: the real one runs that far, and no further."""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any

import pytest
import torch

from adapter_audit.auditor.build.subject import build
from adapter_audit.auditor.errors import UsageError
from adapter_audit.auditor.request.job import Job
from adapter_audit.auditor.request.model_source import ModelSource
from adapter_audit.auditor.request.position_table import check_length
from adapter_audit.auditor.schema.spec import AuditSpec

from .models import MODELS

ROWS = 40
"""Of every table of positions in `MODELS`."""
READERS = sorted(name for name, model in MODELS.items() if model.kind not in ("vision", "audio"))
UNANSWERED = {
    *("deberta", "deberta-v2", "gemma2", "gemma3", "gptj", "llama", "llama-gqa", "mistral", "modernbert"),
    *("mt5", "phi", "qwen2", "qwen3", "t5", "t5-gated"),
    "clip-text",  # its type has no folder of source of its own
}
"""Models without a learned table of positions, and where its size is not certain: nothing is refused."""
PADDED = {"roberta", "xlm-roberta", "xmod"}


def asked(source: ModelSource | None = None, **fields: Any) -> Job:
    spec = AuditSpec.read({"model": "m", "compose": "stack(a)", **fields})
    return Job.of(spec, source or ModelSource("m", "config"))


def longest(config: dict[str, Any], **fields: Any) -> int | None:
    """The longest sequence that is not refused; None where there is no end."""
    for tokens in range(ROWS - 4, ROWS + 4):
        try:
            check_length(asked(**fields, seq_len=tokens + 1), config)
        except UsageError as error:
            told = re.search(r"use --seq-len (\d+) or less", error.line)
            return int(told[1]) if told else None
    return None


def runs(config: dict[str, Any], tokens: int, **more: Any) -> bool:
    """Whether the real model, without adapters, takes a batch of this length."""
    from transformers import AutoConfig, AutoModel, AutoModelForSeq2SeqLM

    auto = AutoModelForSeq2SeqLM if "encoder" in config else AutoModel
    torch.manual_seed(0)
    model = auto.from_config(AutoConfig.for_model(**deepcopy(config))).eval()
    inputs = {"input_ids": torch.randint(5, 50, (2, tokens)), **more}
    if config["model_type"] == "clip":
        inputs["pixel_values"] = torch.randn(2, 3, 8, 8)
    if model.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = inputs["input_ids"][:, :4]
    try:
        with torch.no_grad():
            model(**inputs)
    except (IndexError, RuntimeError, ValueError):
        return False
    return True


@pytest.mark.parametrize("name", [name for name in READERS if name not in UNANSWERED])
def test_the_answer_is_that_of_the_model(name: str) -> None:
    config = MODELS[name].config
    found = longest(config)
    assert found == (ROWS - 2 if name in PADDED else ROWS)
    assert runs(config, found)
    assert not runs(config, found + 1)


@pytest.mark.parametrize("name", sorted(UNANSWERED))
def test_what_is_not_certain_is_not_refused(name: str) -> None:
    assert longest(MODELS[name].config) is None


def test_positions_of_the_caller_begin_at_nought() -> None:
    config = MODELS["roberta"].config
    assert longest(config, inputs=["position_ids"]) == ROWS
    assert runs(config, ROWS, position_ids=torch.arange(ROWS).repeat(2, 1))
    assert longest(config, batch=1, mask="right") == ROWS, "the one row is shorter: left to the model"


def test_defaults_of_the_configuration_class_count() -> None:
    with pytest.raises(UsageError, match="n_positions is 1024; use --seq-len 1024 or less"):
        check_length(asked(seq_len=1025), {"model_type": "gpt2"})
    check_length(asked(seq_len=1024), {"model_type": "gpt2"})


@pytest.mark.parametrize("config", [{}, {"model_type": "../bert"}, {"model_type": "of-another-release"}])
def test_what_is_not_known_has_no_answer(config: dict[str, Any]) -> None:
    check_length(asked(seq_len=100_000), config)


def test_a_function_that_makes_the_model_is_asked_when_it_is_there() -> None:
    from transformers import GPT2Config, GPT2Model

    config = GPT2Config(n_positions=ROWS, n_layer=1, n_embd=32, n_head=4, vocab_size=61)
    source = ModelSource("m:f", "function", factory=lambda: GPT2Model(config))
    assert build(asked(source, seq_len=ROWS)).setup_failure is None
    with pytest.raises(UsageError, match=f"use --seq-len {ROWS} or less"):
        build(asked(source, seq_len=ROWS + 1))
