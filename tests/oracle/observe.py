"""Run a model once and keep what is compared: named tensors with one row per sample, and gradients."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

from .inputs import Inputs, Tensors

MAIN = ("logits", "start_logits", "end_logits", "last_hidden_state", "text_embeds", "image_embeds")
SECONDARY = ("pooler_output", "encoder_last_hidden_state")
_BY_POSITION = ("logits", "start_logits", "end_logits", "last_hidden_state", "encoder_last_hidden_state")
NEW_TOKENS = 4
BEAMS = 2


@dataclass
class Seen:
    """What one run returned. Every tensor has rows first, in the order the model gave them."""

    main: Tensors = field(default_factory=dict)
    secondary: Tensors = field(default_factory=dict)
    masks: Tensors = field(default_factory=dict)
    loss: torch.Tensor | None = None

    def rows(self) -> int:
        """Rows of the first main output."""
        return int(next(iter(self.main.values())).shape[0])


def run(model: Any, spec: dict[str, Any], inputs: Inputs, tasks: torch.Tensor | None, **more: Any) -> Seen:
    """Call forward or generate with copies of the inputs; ``tasks`` are the task ids, if any."""
    arguments: dict[str, Any] = dict(inputs.arguments)
    if tasks is not None:
        arguments["task_ids"] = tasks
    mode = spec.get("mode") or "forward"
    if mode in ("generate", "beam"):
        return _generate(model, arguments, beams=BEAMS if mode == "beam" else 1, **more)
    with torch.set_grad_enabled(mode == "train"):
        return _seen(model(**arguments, **inputs.labels, return_dict=True), inputs)


def _seen(output: Any, inputs: Inputs) -> Seen:
    seen = Seen(loss=output.get("loss"))
    for name in MAIN:
        if output.get(name) is not None:
            seen.main[name] = output[name]
    for name in SECONDARY:
        if output.get(name) is not None:
            seen.secondary[name] = output[name]
    for name, value in (seen.main | seen.secondary).items():
        mask = inputs.arguments.get("attention_mask") if name.startswith("encoder_") else inputs.output_mask
        if mask is not None and name in _BY_POSITION and (value.dim() == 3 or "_logits" in name):
            seen.masks[name] = fit_mask(mask, value.shape[1])
    if not seen.main:
        raise AssertionError(f"no output to compare among {sorted(output)}")
    return seen


def fit_mask(mask: torch.Tensor, length: int) -> torch.Tensor:
    """Stretch a padding mask to outputs that are longer (prompts come first) or cut it."""
    if length <= mask.shape[1]:
        return mask[:, :length]
    front = torch.ones(mask.shape[0], length - mask.shape[1], dtype=mask.dtype)
    return torch.cat([front, mask], dim=1)


def _generate(model: Any, arguments: dict[str, Any], beams: int, **more: Any) -> Seen:
    config = model.generation_config
    config.eos_token_id = None
    config.forced_eos_token_id = None
    if config.pad_token_id is None:
        config.pad_token_id = model.config.pad_token_id
    if config.pad_token_id is not None:
        # random weights may choose padding; Whisper cuts it off, and then has no text left to look at
        config.bad_words_ids = [[config.pad_token_id]]
    output = model.generate(
        **arguments,
        max_new_tokens=NEW_TOKENS,
        do_sample=False,
        num_beams=beams,
        output_scores=True,
        return_dict_in_generate=True,
        **more,
    )
    main: Tensors = {"sequences": output.sequences.double()}
    if beams > 1:
        if output.sequences_scores is not None:  # older Whisper drops them
            main["sequences_scores"] = output.sequences_scores
    else:
        scores = torch.stack(output.scores, dim=1)
        main["scores"] = scores.masked_fill(scores == -torch.inf, 0.0)  # forbidden tokens have none
    return Seen(main)


def train_loss(seen: Seen, share: torch.Tensor) -> torch.Tensor:
    """Sum up all main outputs, weighted alike in every lane; ``share`` [rows]: how much each row counts."""
    total = torch.zeros((), dtype=torch.float64)
    for index, (name, value) in enumerate(seen.main.items()):
        generator = torch.Generator().manual_seed(5 + index)
        weight = torch.randn(value.shape[1:], generator=generator, dtype=torch.float64)
        per_element = value.double() * weight
        mask = seen.masks.get(name)
        if mask is not None:
            repeated = mask.repeat(value.shape[0] // mask.shape[0], 1)
            per_element = per_element * repeated.reshape(repeated.shape + (1,) * (value.dim() - 2))
        total = total + (per_element.flatten(1).sum(1) * share).sum()
    return total
