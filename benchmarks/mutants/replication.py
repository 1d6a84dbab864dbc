"""Defects of replication: how N*B rows are made, where, how often, and of what."""

from __future__ import annotations

from typing import Any

import torch

from . import families as on
from .defect import Collection
from .edit import module, replace_everywhere, rewrite, wrap

REPLICATION = Collection()
_add = REPLICATION.add


def _interleaved(tensor: torch.Tensor, times: int) -> torch.Tensor:
    return tensor.repeat_interleave(times, dim=0)


def _first_row(tensor: torch.Tensor, times: int) -> torch.Tensor:
    return tensor[:1].repeat(times * tensor.shape[0], *[1] * (tensor.dim() - 1))


def _replicate_state(state: Any, channels: int, how: Any) -> Any:
    """Another replication for every tensor of a layer's state."""
    return type(state)(*(how(v, channels) if isinstance(v, torch.Tensor) else v for v in state))


def _repeat_with(owner: Any, how: Any) -> None:
    wrap(owner, "repeat", lambda _original, _self, state, channels: _replicate_state(state, channels, how))


@_add("LoRA replicates row by row instead of batch by batch", on.lora())
def lora_interleaved(_family: str) -> None:
    _repeat_with(module("methods.lora").LoRALinear, _interleaved)


@_add("a bottleneck replicates row by row", on.bottleneck())
def bottleneck_interleaved(_family: str) -> None:
    _repeat_with(module("methods.bottleneck").BottleneckLayer, _interleaved)


@_add("prefix tuning replicates row by row", on.prefix())
def prefix_interleaved(_family: str) -> None:
    _repeat_with(module("methods.prefix_tuning").PrefixTuningLayer, _interleaved)


@_add("LoRA replicates the first row of the batch for all rows", on.lora())
def lora_first_row_for_all(_family: str) -> None:
    _repeat_with(module("methods.lora").LoRALinear, _first_row)


@_add("a bottleneck replicates the first row for all rows", on.bottleneck())
def bottleneck_first_row_for_all(_family: str) -> None:
    _repeat_with(module("methods.bottleneck").BottleneckLayer, _first_row)


def _adjusted(how: Any) -> Any:
    def adjust(hidden_states: torch.Tensor, *tensors: Any) -> tuple[Any, ...]:
        rows = hidden_states.shape[0]
        return tuple(t if t is None or rows <= t.shape[0] else how(t, rows // t.shape[0]) for t in tensors)

    return adjust


def _adjusted_in_place(how: Any) -> Any:
    def adjust(hidden_states: torch.Tensor, *tensors: Any) -> None:
        for old, new in zip(tensors, _adjusted(how)(hidden_states, *tensors), strict=True):
            if old is not new:
                old.set_(new)

    return adjust


def _adjust_with(how: Any) -> None:
    replace_everywhere("adjust_tensors_for_parallel_", _adjusted_in_place(how))
    replace_everywhere("adjust_tensors_for_parallel", _adjusted(how))


_MASKED = {**on.lora(on.TEXT, mask="right"), **on.prefix(("vit",))}


@_add("masks and other unexpanded tensors are replicated row by row", _MASKED)
def others_interleaved(_family: str) -> None:
    _adjust_with(_interleaved)


@_add("masks and other unexpanded tensors are replicated from the first row", _MASKED)
def others_first_row(_family: str) -> None:
    _adjust_with(_first_row)


@_add("masks and other unexpanded tensors are not replicated", _MASKED)
def others_not_replicated(_family: str) -> None:
    replace_everywhere("adjust_tensors_for_parallel_", lambda _hidden_states, *_tensors: None)
    replace_everywhere("adjust_tensors_for_parallel", lambda _hidden_states, *tensors: tensors)


@_add("the replicated mask is one made for another length", on.lora(on.TEXT, mask="right"))
def mask_of_other_length(_family: str) -> None:
    def shifted(tensor: torch.Tensor, times: int) -> torch.Tensor:
        whole = tensor.repeat(times, *[1] * (tensor.dim() - 1))
        return torch.cat([whole[..., 1:], whole[..., -1:]], dim=-1) if tensor.shape[1] == 1 else whole

    _adjust_with(shifted)


@_add("queries, keys and values are matched row by row", on.lora(("bert", "t5", "bart", "llama", "vit")))
def attention_interleaved(_family: str) -> None:
    def match(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        rows = max(t.shape[0] for t in tensors)
        return tuple(_interleaved(t, rows // t.shape[0]) for t in tensors)

    replace_everywhere("match_attn_matrices_for_parallel", match)


@_add(
    "queries, keys and values of different batch sizes are not matched",
    on.lora(("bert", "t5", "bart", "llama", "vit")),
)
def attention_not_matched(_family: str) -> None:
    replace_everywhere("match_attn_matrices_for_parallel", lambda *tensors: tensors)


@_add("the batch is not replicated", on.lora())
def no_expansion(_family: str) -> None:
    for path, name in _COMPOSING:
        wrap(getattr(module(path), name), "repeat", lambda _original, _self, state, _channels: state)


@_add("nobody remembers that the batch is replicated: every layer does it again", on.bottleneck())
def expanded_in_every_layer(_family: str) -> None:
    rewrite(
        module("methods.adapter_layer_base").ComposableAdapterLayerBase,
        "compose_parallel",
        ("context.adapters_parallelized = True", "context.adapters_parallelized = False"),
    )


@_add(
    "the residual of a bottleneck is not replicated",
    on.prefix(("bert", "t5", "bart", "gpt2", "llama", "vit")),
)
def residual_not_replicated(_family: str) -> None:
    rewrite(
        module("methods.bottleneck").BottleneckLayer,
        "bottleneck_layer_forward",
        ("(residual_input,) = adjust_tensors_for_parallel(hidden_states, residual_input)", "pass"),
        ("(hidden_states,) = adjust_tensors_for_parallel(residual_input, hidden_states)", "pass"),
    )


_COMPOSING = (
    ("methods.lora", "LoRALinear"),
    ("methods.bottleneck", "BottleneckLayer"),
    ("methods.prefix_tuning", "PrefixTuningLayer"),
)
