"""Run a model once in a cell's mode and keep what a user would look at, row by row."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

NEW_TOKENS, BEAMS = 4, 3
Spec = dict[str, Any]


@dataclass
class Seen:
    """`rows[i]`: the tensors of row i, comparable across models; `gradients`: by parameter, in train."""

    rows: list[dict[str, torch.Tensor]]
    gradients: dict[str, torch.Tensor] = field(default_factory=dict)


def make_inputs(model: nn.Module, spec: Spec, rows: int) -> dict[str, torch.Tensor]:
    """Seeded inputs for a plain transformers model: ids or pixels, a mask, decoder ids."""
    config, generator = model.config, torch.Generator().manual_seed(5)
    if getattr(config, "image_size", None):
        shape = (rows, config.num_channels, config.image_size, config.image_size)
        return {"pixel_values": torch.randn(shape, generator=generator)}
    length = spec.get("seq_len", 7)
    ids = torch.randint(3, config.vocab_size, (rows, length), generator=generator)
    if spec.get("head") == "SequenceClassification" and getattr(config, "is_encoder_decoder", False):
        ids[:, -1] = config.eos_token_id  # their heads read the row's last end token
    inputs = {"input_ids": ids}
    if spec.get("mask", "none") != "none":
        mask = torch.ones_like(ids)
        for row in range(1, rows):
            padded = slice(length - row, None) if spec["mask"] == "right" else slice(0, row)
            mask[row, padded] = 0
            ids[row, padded] = config.pad_token_id
        inputs["attention_mask"] = mask
    elif spec.get("mode") in ("generate", "beam"):
        inputs["attention_mask"] = torch.ones_like(ids)
    decoder = getattr(config, "is_encoder_decoder", False) and spec.get("mode") not in ("generate", "beam")
    if decoder and spec.get("head") != "SequenceClassification":
        inputs["decoder_input_ids"] = torch.randint(3, config.vocab_size, (rows, 5), generator=generator)
    if spec.get("task_ids"):
        inputs["task_ids"] = torch.zeros(rows, dtype=torch.long)
    return inputs


def see(model: nn.Module, spec: Spec, inputs: dict[str, torch.Tensor], **more: Any) -> Seen:
    """One call as the cell's mode says; `more` goes to the call (`adapter_names`)."""
    mode = spec.get("mode", "forward")
    if mode in ("generate", "beam"):
        return _generated(model, inputs, BEAMS if mode == "beam" else 1, more)
    if mode == "train":
        return _trained(model, inputs, more)
    with torch.no_grad():
        return Seen(_by_row({"output": main_output(model(**inputs, **more))}))


def main_output(output: Any) -> torch.Tensor:
    """Logits, or the last hidden state where there is no head."""
    value = output.get("logits")
    return output["last_hidden_state"] if value is None else value


def _generated(model: nn.Module, inputs: dict[str, torch.Tensor], beams: int, more: dict[str, Any]) -> Seen:
    with torch.no_grad():
        output = model.generate(
            **inputs,
            **more,
            max_new_tokens=NEW_TOKENS,
            do_sample=False,
            num_beams=beams,
            return_dict_in_generate=True,
            output_scores=True,
        )
    seen = {"tokens": output.sequences[:, -NEW_TOKENS:]}
    if beams > 1:
        seen["score"] = output.sequences_scores[:, None]
    else:
        seen["scores"] = torch.stack(list(output.scores), dim=1)
    return Seen(_by_row(seen))


def decode_greedily(model: nn.Module, inputs: dict[str, torch.Tensor]) -> Seen:
    """What greedy `generate` means: the next token is the best one of a full forward, without a cache."""
    inputs = dict(inputs)
    ids_key = "input_ids"
    if model.config.is_encoder_decoder:
        ids_key = "decoder_input_ids"
        start = model.config.decoder_start_token_id
        inputs[ids_key] = torch.full((len(inputs["input_ids"]), 1), start, dtype=torch.long)
    scores = []
    for _ in range(NEW_TOKENS):
        with torch.no_grad():
            logits = main_output(model(**inputs, use_cache=False))[:, -1].float()
        scores.append(logits)
        inputs[ids_key] = torch.cat([inputs[ids_key], logits.argmax(-1)[:, None]], dim=1)
        if ids_key == "input_ids" and "attention_mask" in inputs:
            mask = inputs["attention_mask"]
            inputs["attention_mask"] = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)
    return Seen(_by_row({"tokens": inputs[ids_key][:, -NEW_TOKENS:], "scores": torch.stack(scores, dim=1)}))


def _trained(model: nn.Module, inputs: dict[str, torch.Tensor], more: dict[str, Any]) -> Seen:
    model.train()
    try:
        for parameter in model.parameters():
            parameter.grad = None
        output = main_output(model(**inputs, **more))
        (output.double() ** 2).mean().backward()
    finally:
        model.eval()
    gradients = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    return Seen(_by_row({"output": output.detach()}), gradients)


def _by_row(tensors: dict[str, torch.Tensor]) -> list[dict[str, torch.Tensor]]:
    count = len(next(iter(tensors.values())))
    return [{key: value[row] for key, value in tensors.items()} for row in range(count)]


def difference(seen: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> float:
    """Largest difference relative to the scale of `wanted`; 1 where tokens differ, infinite for NaN."""
    worst = 0.0
    for key, value in wanted.items():
        got = seen.get(key)
        if got is None or got.shape != value.shape:
            return 1.0
        if not value.is_floating_point():
            worst = max(worst, float(not torch.equal(got, value)))
            continue
        finite = torch.isfinite(value)
        if not torch.equal(torch.isfinite(got), finite):
            return float("inf")
        gap = torch.where(finite, got.double() - value.double(), 0.0).abs().max()
        worst = max(worst, float(gap) / max(float(value.double().abs().nan_to_num(0, 0, 0).max()), 1e-12))
    return worst
