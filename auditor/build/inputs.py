"""Forward arguments for a model, made from its signature and configuration.

Axes: B rows, S tokens, T decoder tokens (always another number than S). Token ids avoid the special
ones; row 0 of a padded batch has no padding when B > 1, and the last one half of it.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import torch

from ..errors import UsageError
from ..knowledge.library_names import ADAPTERS, TRANSFORMERS
from ..library.prediction_heads import HeadLabels, LabelKind
from ..request.job import Job
from ..schema.composition import Block, Node, walk
from ..trace.runs import Inputs
from ..trace.token_ids import special_ids

WHOLE_SEQUENCE = (LabelKind.ROW, LabelKind.ROW_CLASSES, LabelKind.SPAN)
"""Heads of encoder-decoders that need the same sequence on both sides, to find its end or its answer."""


@dataclass(frozen=True)
class InputMaker:
    """Makes inputs of one kind for one model. `signature` holds the names that its forward takes."""

    config: Any
    signature: frozenset[str]
    main: str
    job: Job
    embedding: tuple[int, int] | None
    """Rows and width of the input embedding, for `inputs_embeds`."""
    decodes: bool
    """An encoder-decoder whose decoder is fed separately."""
    makes_decoder: bool = False
    """The task head feeds the decoder with the encoder's input itself, and counts on its length."""
    dtype: torch.dtype = torch.float32
    """Of floating inputs that are made up."""
    casts_given: bool = False
    """Whether floating inputs of the caller's get that dtype, too."""
    heads: tuple[HeadLabels, ...] = ()
    """What the losses of heads need that the model chooses from."""

    @property
    def given(self) -> Mapping[str, Any] | None:
        """The caller's own inputs, used instead of made-up ones."""
        return self.job.source.inputs

    def make(self, rows: int, seed: int = 0) -> Inputs:
        """Inputs of `rows` rows on the CPU."""
        if self.given is not None:
            return {k: _as(v, self.dtype if self.casts_given else None) for k, v in self.given.items()}
        generator = torch.Generator().manual_seed(1000 + seed)
        tokens = self.job.tokens
        inputs: Inputs = {}
        self._main(inputs, rows, tokens, generator)
        self._decoder(inputs, rows, decoder_length(tokens), generator)
        self._extras(inputs, rows, tokens, generator)
        return inputs | self._tasks(rows)

    def _tasks(self, rows: int) -> Inputs:
        """Task ids, where the composition has tasks."""
        tasked = any(b.kind == "multitask" for b in walk(self.job.tree))
        return {"task_ids": task_ids(self.job.tree, rows)} if tasked else {}

    def _main(self, inputs: Inputs, rows: int, tokens: int, generator: torch.Generator) -> None:
        if "pixel_values" in self.signature:
            inputs["pixel_values"] = self._random(generator, rows, *image_shape(self.config))
        if self.main == "input_features":
            inputs["input_features"] = self._random(generator, rows, *audio_shape(self.config))
        if "input_ids" not in self.signature:
            return
        lengths = real_lengths(self.job.spec.mask, rows, tokens)
        inputs["input_ids"] = self._ids(generator, rows, tokens, lengths)
        if self.job.spec.mask != "none":
            inputs["attention_mask"] = mask_of(lengths, tokens, left=self.job.spec.mask == "left")
        if "inputs_embeds" in self.job.spec.inputs:
            del inputs["input_ids"]
            inputs["inputs_embeds"] = self._embeds(generator, rows, tokens)

    def _decoder(self, inputs: Inputs, rows: int, tokens: int, generator: torch.Generator) -> None:
        wanted = {n for n in self.job.spec.inputs if n.startswith("decoder_")}
        if (
            not self.decodes
            or self.job.spec.mode in ("generate", "beam")
            or (self.makes_decoder and not wanted)
        ):
            return
        if "decoder_inputs_embeds" in wanted:
            inputs["decoder_inputs_embeds"] = self._embeds(generator, rows, tokens)
        elif self.heads or "labels" not in self.job.spec.inputs or "decoder_input_ids" in wanted:
            inputs["decoder_input_ids"] = self._ids(generator, rows, tokens, [tokens] * rows)
        if "decoder_attention_mask" in wanted:
            # a mask of ones is left out by transformers: who gives one has padding, unless they say "full"
            kind = "right" if self.job.spec.mask == "none" else self.job.spec.mask
            lengths = real_lengths(kind, rows, tokens)
            inputs["decoder_attention_mask"] = mask_of(lengths, tokens, left=self.job.spec.mask == "left")

    def _extras(self, inputs: Inputs, rows: int, tokens: int, generator: torch.Generator) -> None:
        wanted = self.job.spec.inputs
        if "position_ids" in wanted:
            inputs["position_ids"] = self._positions(rows, tokens)
        if "token_type_ids" in wanted:
            border = tokens // 2 + torch.arange(rows).remainder(2).unsqueeze(1)
            kinds = max(1, getattr(self.config, "type_vocab_size", None) or 2)
            inputs["token_type_ids"] = (torch.arange(tokens) >= border).long() % kinds
        if "output_attentions" in wanted:
            inputs["output_attentions"] = True
        if "labels" in wanted:
            inputs.update(self._labels(rows, tokens, generator))

    def _positions(self, rows: int, tokens: int) -> torch.Tensor:
        """Positions of their own for every row, so that mixed-up rows show: [B, S].

        Left padding is not counted, as usual. Rows begin at different positions, and leave some out in the
        middle: rotary embeddings only know differences. Without a mask nothing is left out, as transformers
        takes a gap for the border between two packed sequences.
        """
        left = self.job.spec.mask == "left"
        lengths = real_lengths(self.job.spec.mask, rows, tokens)
        counted = torch.arange(tokens).repeat(rows, 1)
        if left:
            counted = (mask_of(lengths, tokens, left=True).cumsum(1) - 1).clamp(min=0)
        middle = torch.tensor([n // 2 + (tokens - n) * left for n in lengths]).unsqueeze(1)
        spare = max(0, position_limit(self.config, tokens) - tokens) // 2
        step = torch.arange(rows).remainder(min(3, spare) + 1).unsqueeze(1)
        gap = (torch.arange(tokens) >= middle).long() * (self.job.spec.mask != "none")
        return counted + step * (1 + gap)

    def _labels(self, rows: int, tokens: int, generator: torch.Generator) -> Inputs:
        if self.heads:
            return self._labels_of_heads(rows, tokens, generator)
        if "start_positions" in self.signature:
            return _spans(rows, tokens)
        if "labels" not in self.signature:
            return {}
        name = (self.job.spec.head or "") + (getattr(self.config, "architectures", None) or [""])[0]
        if any(task in name for task in TRANSFORMERS.row_label_tasks):
            return {"labels": torch.arange(rows) % max(1, self.config.num_labels)}
        if any(task in name for task in TRANSFORMERS.token_label_tasks):
            return {"labels": _classes(rows, tokens) % max(1, self.config.num_labels)}
        return {"labels": self._text(rows, tokens, generator)}

    def _labels_of_heads(self, rows: int, tokens: int, generator: torch.Generator) -> Inputs:
        """Labels that all active heads can take. Raises UsageError where there are none."""
        kinds = {head.kind for head in self.heads}
        inputs = _spans(rows, tokens) if LabelKind.SPAN in kinds else {}
        kinds -= {LabelKind.SPAN}
        if len(kinds) > 1:
            raise UsageError("the heads take different labels", do="leave labels out of the inputs")
        classes = max(1, min((head.classes for head in self.heads if head.classes), default=1))
        if LabelKind.ROW in kinds:
            inputs["labels"] = torch.arange(rows) % classes
        if LabelKind.ROW_CLASSES in kinds:
            inputs["labels"] = _classes(rows, classes) % 2
        if LabelKind.TOKEN in kinds:
            inputs["labels"] = _classes(rows, tokens) % classes
        if LabelKind.TEXT in kinds:
            inputs["labels"] = self._text(rows, tokens, generator)
        return inputs

    def _text(self, rows: int, tokens: int, generator: torch.Generator) -> torch.Tensor:
        """Token ids, [B, T] for a decoder that is fed, [B, S] otherwise."""
        length = decoder_length(tokens) if self.decodes and not self.makes_decoder else tokens
        return self._ids(generator, rows, length, [length] * rows)

    def _ids(self, generator: torch.Generator, rows: int, tokens: int, lengths: list[int]) -> torch.Tensor:
        vocabulary = self.embedding[0] if self.embedding else getattr(self.config, "vocab_size", 32)
        special = special_ids(self.config)
        allowed = [i for i in range(min(vocabulary, 4096)) if i not in special] or [0]
        picks = torch.randint(len(allowed), (rows, tokens), generator=generator)
        ids = torch.tensor(allowed)[picks]
        pad = getattr(self.config, "pad_token_id", None) or 0
        eos = getattr(self.config, "eos_token_id", None)
        eos = eos[0] if isinstance(eos, (list, tuple)) and eos else eos
        for row, length in enumerate(lengths):
            real = slice(tokens - length, tokens) if self.job.spec.mask == "left" else slice(0, length)
            kept = ids[row, real].clone()
            if isinstance(eos, int) and eos < vocabulary:
                kept[-1] = eos  # classification heads of encoder-decoders read the state at the eos token
            ids[row] = pad
            ids[row, real] = kept
        return ids

    def _embeds(self, generator: torch.Generator, rows: int, tokens: int) -> torch.Tensor:
        if self.embedding is None:
            raise UsageError("inputs_embeds cannot be given", why="the model has no token embedding")
        return self._random(generator, rows, tokens, self.embedding[1])

    def _random(self, generator: torch.Generator, *shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float32).to(self.dtype)


def _spans(rows: int, tokens: int) -> Inputs:
    """The first and the last token of an answer, for each row."""
    return {
        "start_positions": torch.arange(rows) % tokens,
        "end_positions": torch.full((rows,), tokens - 1),
    }


def _classes(rows: int, columns: int) -> torch.Tensor:
    """Another order of numbers in each row, [B, columns]."""
    return torch.arange(columns) + torch.arange(rows).unsqueeze(1)


def _as(value: Any, dtype: torch.dtype | None) -> Any:
    if not isinstance(value, torch.Tensor):
        return value
    return value.detach().to("cpu", dtype if value.is_floating_point() else None)


def input_maker(model: Any, job: Job, dtype: torch.dtype | None = None) -> InputMaker:
    """The maker for this model. Raises UsageError for an extra input that its forward does not take.

    Floating inputs have `dtype`; without one, made-up ones that of the model, and given ones stay.
    """
    signature = forward_names(model)
    for name in job.spec.inputs:
        if name not in signature and name not in ("labels", "output_attentions"):
            raise UsageError(
                f"the input {name!r} does not exist for this model",
                why=f"its forward takes {', '.join(sorted(signature))}",
            )
    heads = job.library.heads.labels(model) if job.library.heads is not None else ()
    return InputMaker(
        model.config,
        signature,
        getattr(model, "main_input_name", "input_ids"),
        job,
        _embedding(model),
        _decodes(model, signature),
        any(task in type(model).__name__ for task in TRANSFORMERS.whole_sequence_tasks)
        or any(head.kind in WHOLE_SEQUENCE for head in heads),
        dtype or next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32),
        casts_given=dtype is not None,
        heads=heads,
    )


def forward_names(model: Any) -> frozenset[str]:
    """All arguments that the model's forward, or one that it hands them on to, names."""
    return _forward_names(model, frozenset(inspect.signature(model.forward).parameters))


def check_given(model: Any, inputs: Mapping[str, Any]) -> None:
    """Raise UsageError for a given input that the model's forward does not take."""
    if _takes_any(model):
        return
    taken = forward_names(model) | {*ADAPTERS.context_arguments}
    for name in inputs:
        if name not in taken:
            near = get_close_matches(name, taken, 1)
            raise UsageError(
                f"the input {name!r} does not exist for this model",
                why=f"its forward takes {', '.join(sorted(taken - {*ADAPTERS.context_arguments}))}",
                do=f"did you mean {near[0]!r}?" if near else "leave it out",
            )


def _takes_any(model: Any) -> bool:
    """Whether a forward that names its arguments takes other ones, too; wrappers hand on what they get."""
    forwards = (base.__dict__.get("forward") for base in type(model).__mro__ if base is not torch.nn.Module)
    signatures = (inspect.signature(inspect.unwrap(f)).parameters.values() for f in forwards if f is not None)
    return any(
        any(p.kind is p.VAR_KEYWORD for p in parameters)
        and any(p.kind is p.POSITIONAL_OR_KEYWORD and p.name != "self" for p in parameters)
        for parameters in map(list, signatures)
    )


def _forward_names(model: Any, signature: frozenset[str]) -> frozenset[str]:
    """Names that any class in the model's ancestry states: wrappers hide them behind *args, **kwargs."""
    names = set(signature)
    for base in type(model).__mro__:
        forward = base.__dict__.get("forward")
        if forward is not None and base is not torch.nn.Module:
            names |= set(inspect.signature(inspect.unwrap(forward)).parameters)
    return frozenset(names - {"self", "args", "kwargs"})


def _embedding(model: Any) -> tuple[int, int] | None:
    try:
        weight = model.get_input_embeddings().weight
    except (AttributeError, NotImplementedError):
        return None
    return (int(weight.shape[0]), int(weight.shape[1])) if weight.dim() == 2 else None


def _decodes(model: Any, signature: frozenset[str]) -> bool:
    return bool(getattr(model.config, "is_encoder_decoder", False)) and "decoder_input_ids" in signature


def decoder_length(tokens: int) -> int:
    """T, the decoder's length: another number than S, at least 2."""
    return max(2, min(tokens, 64) - 2) if tokens != 2 else 3


def real_lengths(mask: str, rows: int, tokens: int) -> list[int]:
    """Real tokens per row: all without padding, otherwise from a full row 0 to a last one half as long."""
    if mask in ("none", "full") or tokens < 2:
        return [tokens] * rows
    longest = tokens // 2
    if rows == 1:
        return [tokens - min(2, longest)]
    return [tokens - math.ceil(longest * row / (rows - 1)) for row in range(rows)]


def mask_of(lengths: list[int], tokens: int, *, left: bool) -> torch.Tensor:
    """The [B, S] attention mask of 0 and 1 for these lengths."""
    positions = torch.arange(tokens)
    rows = [(positions >= tokens - n) if left else (positions < n) for n in lengths]
    return torch.stack(rows).long()


def position_limit(config: Any, default: int) -> int:
    """How many positions the model knows, `default` where its configuration does not say."""
    named = (getattr(config, name, None) for name in TRANSFORMERS.positions)
    return next((n for n in named if isinstance(n, int)), default)


def image_shape(config: Any) -> tuple[int, int, int]:
    """Channels, height and width."""
    vision = getattr(config, TRANSFORMERS.vision_part, config)
    size = getattr(vision, TRANSFORMERS.image_size, 32)
    height, width = size if isinstance(size, (list, tuple)) else (size, size)
    return int(getattr(vision, "num_channels", 3)), int(height), int(width)


def audio_shape(config: Any) -> tuple[int, int]:
    """Mel bins and frames: two frames become one position (Whisper's second convolution)."""
    return int(config.num_mel_bins), 2 * int(getattr(config, TRANSFORMERS.audio_positions))


def task_ids(tree: Block, rows: int) -> torch.Tensor:
    """A task for every row, every task used, not sorted."""
    tasks = max(len(b.children) for b in walk(tree) if b.kind == "multitask")
    return torch.tensor([(rows - 1 - r) % tasks for r in range(rows)])


def repeat_rows(inputs: Mapping[str, Any], times: int, rows: int) -> Inputs:
    """The batch of `rows` rows `times` times over, lane-major; a list has one item for each row."""
    return {k: _repeated(v, times) if has_rows(k, v, rows) else v for k, v in inputs.items()}


def _repeated(value: Any, times: int) -> Any:
    return value * times if isinstance(value, list) else value.repeat(times, *[1] * (value.dim() - 1))


def take_rows(inputs: Mapping[str, Any], chosen: torch.Tensor, rows: int) -> Inputs:
    """Only the chosen ones of the batch's `rows` rows."""
    return {k: _taken(v, chosen) if has_rows(k, v, rows) else v for k, v in inputs.items()}


def _taken(value: Any, chosen: torch.Tensor) -> Any:
    return [value[row] for row in chosen.tolist()] if isinstance(value, list) else value[chosen]


def has_rows(name: str, value: Any, rows: int) -> bool:
    """Whether an input has something for each row: not a mask of heads, nor positions `[1, S]` for all."""
    if name in TRANSFORMERS.unbatched_arguments:
        return False
    if isinstance(value, torch.Tensor):
        return value.dim() > 0 and value.shape[0] == rows
    return isinstance(value, list) and len(value) == rows


def tasks_of(tree: Block, given: Any) -> list[int] | None:
    """The task of each row as its child's number: given as numbers, or as the children's names."""
    if given is None:
        return None
    tasks: list[Any] = given.tolist() if isinstance(given, torch.Tensor) else list(given)
    children = next((list(b.children) for b in walk(tree) if b.kind == "multitask"), [])
    return [_task(task, children) for task in tasks]


def _task(task: Any, children: list[Node]) -> int:
    """A name that no child has is the library's to complain about."""
    if isinstance(task, int):
        return task
    return children.index(task) if task in children else 0
