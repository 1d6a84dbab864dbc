"""Defects in the models' own files: stale batch sizes, masks, caches, positions, encoder states."""

from __future__ import annotations

from typing import Any

import torch

from . import families as on
from .defect import Collection
from .edit import module, rewrite, wrap

ATTENTION = Collection()
_add = ATTENTION.add

_ATTENTIONS = {
    "bert": ("models.bert.modeling_bert", "BertSdpaSelfAttentionWithAdapters"),
    "t5": ("models.t5.modeling_t5", "T5AttentionWithAdapters"),
    "bart": ("models.bart.modeling_bart", "BartAttentionWithAdapters"),
    "gpt2": ("models.gpt2.modeling_gpt2", "GPT2AttentionWithAdapters"),
    "llama": ("models.llama.modeling_llama", "LlamaAttentionWithAdapters"),
    "vit": ("models.vit.modeling_vit", "ViTSelfAttentionWithAdapters"),
}
Changes = dict[str, tuple[tuple[str, str], ...]]


def attention_of(family: str) -> Any:
    """The attention class of a family."""
    path, name = _ATTENTIONS[family]
    return getattr(module(path), name)


def _in_attention(changes: Changes, family: str) -> None:
    rewrite(attention_of(family), "forward", *changes[family])


def _vit_view(projection: str) -> str:
    return f"self.{projection}(hidden_states).view(len(hidden_states), -1, *new_shape[2:])"


_STALE_QUERY: Changes = {
    "bert": (("query_layer.shape[0], -1", "bsz, -1"),),
    "t5": (("query_states.view(query_states.shape[0], -1", "query_states.view(batch_size, -1"),),
    "bart": (("query_states.view(query_states.shape[0], tgt_len", "query_states.view(bsz, -1"),),
    "llama": (("query_states.view(-1, q_len", "query_states.view(bsz, -1"),),
    "vit": (("self.query(hidden_states).view(*new_shape)", _vit_view("query")),),
}


@_add("queries are reshaped with a batch size read before the replication", on.lora(tuple(_STALE_QUERY)))
def stale_view_of_queries(family: str) -> None:
    _in_attention(_STALE_QUERY, family)


_STALE_VALUE: Changes = {
    "bert": (("value_layer.shape[0], -1", "bsz, -1"),),
    "t5": (("value_states.shape[0], -1", "batch_size, -1"),),
    "bart": (
        ("key_states.view(key_states.shape[0], src_len", "key_states.view(bsz, -1"),
        ("value_states.view(value_states.shape[0], src_len", "value_states.view(bsz, -1"),
    ),
    "llama": (
        ("key_states.view(-1, q_len", "key_states.view(bsz, -1"),
        ("value_states.view(-1, q_len", "value_states.view(bsz, -1"),
    ),
    "vit": (
        ("self.key(hidden_states).view(*new_shape)", _vit_view("key")),
        ("self.value(hidden_states).view(*new_shape)", _vit_view("value")),
    ),
}
_KEYS_AND_VALUES = on.specs(tuple(_STALE_VALUE), compose=on.PARALLEL, adapter="ia3")


@_add("keys and values are reshaped with a batch size read before the replication", _KEYS_AND_VALUES)
def stale_view_of_values(family: str) -> None:
    _in_attention(_STALE_VALUE, family)


_STALE_OUTPUT: Changes = {
    "bert": (("attn_output.reshape(bsz, tgt_len,", "attn_output.reshape(len(hidden_states), -1,"),),
    "t5": (("attn_output.view(batch_size, -1", "attn_output.view(len(hidden_states), -1"),),
    "bart": (
        ("actual_bsz = attn_output.shape[0]", "actual_bsz = bsz"),
        ("actual_bsz, tgt_len, -1", "bsz, -1, self.embed_dim"),
    ),
    "llama": (
        (
            "attn_output.reshape(bsz, q_len, -1)",
            "attn_output.reshape(len(hidden_states), -1, self.config.hidden_size)",
        ),
    ),
    "vit": (
        (
            "context_layer.reshape(new_context_layer_shape)",
            "context_layer.reshape(len(hidden_states), -1, self.all_head_size)",
        ),
    ),
}


@_add("the attention's output is reshaped with a stale batch size", on.lora(tuple(_STALE_OUTPUT)))
def stale_view_of_output(family: str) -> None:
    _in_attention(_STALE_OUTPUT, family)


@_add("the attention mask is inverted: what is padding is seen", on.lora(on.TEXT, mask="right"))
def mask_inverted(_family: str) -> None:
    def invert(mask: Any) -> Any:
        if not isinstance(mask, torch.Tensor) or mask.dim() != 4 or mask.shape[1] != 1:
            return mask
        return ~mask if mask.dtype == torch.bool else mask.min() - mask

    _change_masks(invert)


@_add("the attention mask is dropped", on.lora(on.TEXT, mask="right"))
def mask_dropped(_family: str) -> None:
    def drop(mask: Any) -> Any:
        if not isinstance(mask, torch.Tensor) or mask.dim() != 4 or mask.shape[1] != 1:
            return mask
        return torch.ones_like(mask) if mask.dtype == torch.bool else torch.zeros_like(mask)

    _change_masks(drop)


def _change_masks(change: Any) -> None:
    """What the prefix layer hands on is what the attention uses."""

    def handed_on(
        original: Any, self: Any, key: Any, value: Any, residual: Any, mask: Any = None, **more: Any
    ) -> Any:
        return original(self, key, value, residual, change(mask), **more)

    wrap(module("methods.prefix_tuning").PrefixTuningLayer, "forward", handed_on)


@_add("the prefix is masked out", on.prefix(on.TEXT, compose="stack(a)", mask="right"))
def prefix_masked_out(_family: str) -> None:
    rewrite(
        module("methods.prefix_tuning").PrefixTuningLayer,
        "compose_single",
        (
            "attention_mask = torch.cat([prefix_mask, state.attention_mask], dim=-1)",
            "attention_mask = torch.cat([(prefix_mask.logical_not() if prefix_mask.dtype == torch.bool "
            "else prefix_mask - 1e300), state.attention_mask], dim=-1)",
        ),
    )


@_add("the prefix is masked out of lanes but the first", on.prefix(on.TEXT, mask="right"))
def prefix_masked_out_in_later_lanes(_family: str) -> None:
    rewrite(
        module("methods.prefix_tuning").PrefixTuningLayer,
        "compose_single",
        (
            "attention_mask = torch.cat([prefix_mask, state.attention_mask], dim=-1)",
            "attention_mask = torch.cat([prefix_mask if not (state.idx_slice and state.idx_slice.start) else "
            "(prefix_mask.logical_not() if prefix_mask.dtype == torch.bool else prefix_mask - 1e300), "
            "state.attention_mask], dim=-1)",
        ),
    )


_QUERY_LEFT: Changes = {
    family: ((f"({query},) = adjust_tensors_for_parallel({key}, {query})", "pass"),)
    for family, query, key in (
        ("bert", "query_layer", "key_layer"),
        ("t5", "query_states", "key_states"),
        ("bart", "query_states", "key_states"),
        ("gpt2", "query_states", "key_states"),
        ("llama", "query_states", "key_states"),
        ("vit", "query_layer", "key_layer"),
    )
}


@_add("queries are not replicated when a prefix replicates keys and values", on.prefix())
def queries_not_replicated(family: str) -> None:
    _in_attention(_QUERY_LEFT, family)


@_add("eager attention is twice as sharp as the other one", on.bottleneck(("bart", "gpt2", "llama", "vit")))
def eager_differs(family: str) -> None:
    owner = module(_ATTENTIONS[family][0])
    original = owner.eager_attention_forward

    def sharp(attention: Any, query: Any, *arguments: Any, **options: Any) -> Any:
        return original(attention, 2 * query, *arguments, **options)

    owner.eager_attention_forward = sharp


_POSITIONS = on.lora(("llama",), inputs=["position_ids"])


@_add("rotary positions with a row for each input are not replicated", _POSITIONS)
def position_ids_not_replicated(family: str) -> None:
    text = "adjust_tensors_for_parallel(query_states, *position_embeddings)"
    rewrite(attention_of(family), "forward", (text, "position_embeddings"))


@_add(
    "rotary positions are those of the first row", on.lora(("llama",), inputs=["position_ids"], mask="left")
)
def position_ids_of_first_row(family: str) -> None:
    text = "adjust_tensors_for_parallel(query_states, *position_embeddings)"
    rewrite(attention_of(family), "forward", (text, "(t[:1] for t in position_embeddings)"))


_CROSS = {
    "t5": ("models.t5.modeling_t5", "T5LayerCrossAttentionWithAdapters", "key_value_states"),
    "bart": ("models.bart.modeling_bart", "BartDecoderLayerWithAdapters", "encoder_hidden_states"),
}


def _attend_to(family: str, states: str) -> None:
    """Let cross-attention have other encoder states; `states` says which, made from `{0}`."""
    path, name, source = _CROSS[family]
    old = f"key_value_states={source},"
    rewrite(getattr(module(path), name), "forward", (old, f"key_value_states={states.format(source)},"))


_CROSS_SPECS = on.bottleneck(on.ENCODER_DECODERS, mask="right")


@_add("cross-attention uses encoder states that are not replicated", _CROSS_SPECS)
def cross_attention_unexpanded(family: str) -> None:
    _attend_to(family, "{0}[: len({0}) // 2]")


@_add("cross-attention uses the first lane's encoder states for all lanes", _CROSS_SPECS)
def cross_attention_of_first_lane(family: str) -> None:
    _attend_to(family, "{0} if len({0}) % 2 else {0}[: len({0}) // 2].repeat(2, 1, 1)")


@_add("the decoder's tokens are not replicated with the encoder's states", on.bottleneck(on.ENCODER_DECODERS))
def decoder_tokens_not_replicated(family: str) -> None:
    if family == "t5":
        text = "input_ids, encoder_attention_mask = adjust_tensors_for_parallel("
        owner = module("models.t5.modeling_t5").T5StackWithAdapters
        rewrite(owner, "forward", (text, "_, encoder_attention_mask = adjust_tensors_for_parallel("))
    else:
        text = "(input_ids,) = adjust_tensors_for_parallel(encoder_hidden_states, input_ids)"
        rewrite(module("models.bart.mixin_bart").BartDecoderAdaptersMixin, "forward", (text, "pass"))


_BIAS = on.prefix(("t5",), compose="stack(a)")
_BIAS["t5"]["adapter"] = "prefix_tuning[flat=True,prefix_length=4,leave_out=[0]]"


@_add("a position bias made without the prefix is used with it", _BIAS)
def position_bias_of_other_length(family: str) -> None:
    rewrite(attention_of(family), "forward", (" or position_bias.shape[3] != scores.shape[3]:", ":"))


@_add("a position bias is not replicated for later layers", on.lora(("t5",), mask="right"))
def position_bias_not_replicated(_family: str) -> None:
    stack = module("models.t5.modeling_t5").T5StackWithAdapters
    rewrite(
        stack,
        "forward",
        (
            "position_bias = adjust_tensors_for_parallel(hidden_states, position_bias)[0]",
            "position_bias = position_bias[: max(1, len(position_bias) // 2)]",
        ),
    )


_TRANSPOSED: Changes = {
    "llama": (
        (
            "attn_output = attn_output.reshape(bsz, q_len, -1)",
            "attn_output = attn_output.transpose(1, 2).reshape(bsz, q_len, -1)",
        ),
    ),
    "gpt2": (("attn_output = attn_output.reshape(", "attn_output = attn_output.mT.contiguous().reshape("),),
    "bart": (("attn_output.reshape(actual_bsz", "attn_output.transpose(1, 2).reshape(actual_bsz"),),
    "vit": (("context_layer.reshape(new", "context_layer.transpose(1, 2).reshape(new"),),
}


@_add("the heads are transposed once too often", on.lora(tuple(_TRANSPOSED)))
def heads_transposed(family: str) -> None:
    _in_attention(_TRANSPOSED, family)


@_add("attention is no longer causal", on.lora(on.DECODERS))
def causality_lost(_family: str) -> None:
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    original = ALL_ATTENTION_FUNCTIONS["sdpa"]

    def seeing_all(module: Any, query: Any, key: Any, value: Any, mask: Any, **more: Any) -> Any:
        if "adapters" in type(module).__module__:
            more["is_causal"] = False
        return original(module, query, key, value, mask, **more)

    ALL_ATTENTION_FUNCTIONS["sdpa"] = seeing_all
