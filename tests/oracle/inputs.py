"""What the forward of a model is given: derived from the configuration and the spec, always the same."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

Tensors = dict[str, torch.Tensor]
DECODER_SHORTER = 2
"""Decoder inputs are this much shorter than encoder inputs, so that a mix-up shows."""
_SEQ2SEQ = {"bart", "mbart", "plbart", "t5", "mt5", "whisper", "encoder-decoder"}
_PIXELS = {"vit", "beit", "clip_vision_model"}


@dataclass
class Inputs:
    """Keyword arguments of the forward, and which positions of the output count."""

    arguments: Tensors
    output_mask: torch.Tensor | None = None
    """1 where an output position is real, [batch, sequence]; None where there is no padding."""
    batch: int = 1
    labels: Tensors = field(default_factory=dict)


def padding(kind: str, batch: int, length: int) -> torch.Tensor | None:
    """Return a mask [batch, length] of 1 (real) and 0; rows differ in length, at least one has padding."""
    if kind == "none":
        return None
    mask = torch.ones(batch, length, dtype=torch.long)
    if kind == "full":
        return mask
    for row in range(batch):
        missing = (2, 0, 3)[row % 3] if batch > 1 else 2
        missing = min(missing, length - 2)
        if kind == "right":
            mask[row, length - missing :] = 0
        else:
            mask[row, :missing] = 0
    return mask


def make_inputs(model: Any, spec: dict[str, Any]) -> Inputs:
    """Build the inputs of a spec; ``model`` is needed for embeddings only."""
    maker = _Maker(model, spec)
    kind = model.config.model_type
    if kind in _PIXELS:
        return maker.vision()
    if kind == "clip":
        return maker.dual()
    if kind in _SEQ2SEQ:
        return maker.seq2seq(audio=kind == "whisper")
    return maker.text()


class _Maker:
    def __init__(self, model: Any, spec: dict[str, Any]) -> None:
        self.model, self.config, self.spec = model, model.config, spec
        self.batch, self.length = spec.get("batch", 3), spec.get("seq_len", 7)
        self.extra = set(spec.get("inputs") or ())
        self.generator = torch.Generator().manual_seed(4)
        self.generating = spec.get("mode") in ("generate", "beam")
        self.mask = padding(spec.get("mask") or "none", self.batch, self.length)

    def tokens(self, batch: int, length: int, mask: torch.Tensor | None = None) -> torch.Tensor:
        ids = torch.randint(5, self.config_vocab(), (batch, length), generator=self.generator)
        return ids if mask is None else ids.masked_fill(mask == 0, self.pad())

    def config_vocab(self) -> int:
        parts = [self.config, *(getattr(self.config, name, None) for name in ("text_config", "decoder"))]
        return next(int(p.vocab_size) for p in parts if getattr(p, "vocab_size", None))

    def pad(self) -> int:
        return int(getattr(self.config, "pad_token_id", None) or 0)

    def noise(self, *shape: int) -> torch.Tensor:
        drawn = torch.randn(*shape, generator=self.generator, dtype=torch.float64)
        return drawn.to(torch.get_default_dtype())

    def vision(self) -> Inputs:
        size = self.config.image_size
        arguments = {"pixel_values": self.noise(self.batch, self.config.num_channels, size, size)}
        return self._with_labels(Inputs(arguments, None, self.batch))

    def dual(self) -> Inputs:
        size = self.config.vision_config.image_size
        ids = self.tokens(self.batch, self.length, self.mask)
        self._close_rows(ids)
        arguments = {"input_ids": ids, "pixel_values": self.noise(self.batch, 3, size, size)}
        if self.mask is not None:
            arguments["attention_mask"] = self.mask
        return Inputs(arguments, None, self.batch)

    def text(self) -> Inputs:
        ids = self.tokens(self.batch, self.length, self.mask)
        if self.config.model_type == "clip_text_model":
            self._close_rows(ids)
        arguments = self._ids_or_embeddings(ids, "input_ids", "inputs_embeds")
        if self.mask is not None:
            arguments["attention_mask"] = self.mask
        if "position_ids" in self.extra:
            arguments["position_ids"] = self._positions()
        if "token_type_ids" in self.extra:
            arguments["token_type_ids"] = (
                torch.arange(self.length).expand(self.batch, -1).remainder(2).contiguous()
            )
        return self._with_labels(Inputs(arguments, self.mask, self.batch))

    def seq2seq(self, audio: bool) -> Inputs:
        if audio:
            frames = 2 * self.config.max_source_positions
            arguments = {"input_features": self.noise(self.batch, self.config.num_mel_bins, frames)}
        else:
            ids = self.tokens(self.batch, self.length, self.mask)
            self._close_rows(ids)
            arguments = self._ids_or_embeddings(ids, "input_ids", "inputs_embeds")
            if self.mask is not None:
                arguments["attention_mask"] = self.mask
        return self._with_labels(self._with_decoder(Inputs(arguments, None, self.batch)))

    def _with_decoder(self, inputs: Inputs) -> Inputs:
        if self.generating:
            return inputs
        if "labels" in self.extra and self.spec.get("head") in ("Seq2SeqLM", "SpeechSeq2Seq"):
            return inputs
        if self.spec.get("head") == "SequenceClassification" or (
            self.spec.get("head") == "QuestionAnswering" and "decoder_inputs_embeds" not in self.extra
        ):
            inputs.output_mask = self.mask
            return inputs
        length = self.length - DECODER_SHORTER
        kind = "full" if self.spec.get("mask") == "full" else "right"
        mask = padding(kind, self.batch, length) if "decoder_attention_mask" in self.extra else None
        ids = self.tokens(self.batch, length, mask)
        inputs.arguments |= self._ids_or_embeddings(ids, "decoder_input_ids", "decoder_inputs_embeds")
        if mask is not None:
            inputs.arguments["decoder_attention_mask"] = mask
            inputs.output_mask = mask
        return inputs

    def _close_rows(self, ids: torch.Tensor) -> None:
        """End every row with the end-of-sequence token: some heads look for it."""
        eos = getattr(self.config, "eos_token_id", None) or self.config.text_config.eos_token_id
        for row in range(self.batch):
            last = self.length - 1 if self.mask is None else int(self.mask[row].nonzero().max())
            ids[row, last] = eos

    def _ids_or_embeddings(self, ids: torch.Tensor, name: str, embedded_name: str) -> Tensors:
        if embedded_name not in self.extra:
            return {name: ids}
        return {embedded_name: self.noise(*ids.shape, self.model.get_input_embeddings().weight.shape[1])}

    def _positions(self) -> torch.Tensor:
        """Explicit positions, different from the default ones in every second row."""
        shift = torch.arange(self.batch).remainder(2).unsqueeze(1)
        return torch.arange(self.length).unsqueeze(0) + shift + 2

    def _with_labels(self, inputs: Inputs) -> Inputs:
        if "labels" not in self.extra or not self.spec.get("head"):
            return inputs
        head, batch = self.spec["head"], self.batch
        if head in ("SequenceClassification", "ImageClassification"):
            inputs.labels["labels"] = torch.arange(batch).remainder(2)
        elif head == "TokenClassification":
            inputs.labels["labels"] = self.tokens(batch, self.length).remainder(2)
        elif head == "QuestionAnswering":
            inputs.labels["start_positions"] = torch.arange(batch).remainder(3)
            inputs.labels["end_positions"] = torch.arange(batch).remainder(3) + 1
        elif head in ("CausalLM", "MaskedLM"):
            inputs.labels["labels"] = self.tokens(batch, self.length)
        elif head in ("Seq2SeqLM", "SpeechSeq2Seq"):
            inputs.labels["labels"] = self.tokens(batch, self.length - DECODER_SHORTER)
        return inputs
