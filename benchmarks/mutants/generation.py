"""Defects of decoding: caches, replicated inputs, beams, indices kept from the first step."""

from __future__ import annotations

from typing import Any

from . import families as on
from .attention import attention_of
from .defect import Collection
from .edit import module, rewrite, wrap

GENERATION = Collection()
_add = GENERATION.add

_CACHES = {
    "t5": "past_key_values",
    "bart": "past_key_values",
    "gpt2": "past_key_value",
    "llama": "past_key_values",
}
_STEPS = on.bottleneck(on.GENERATING, compose="stack(a)", mode="generate")


@_add("the cache is dropped on the way to the attention", _STEPS)
def cache_dropped(family: str) -> None:
    cache = _CACHES[family]
    wrap(
        attention_of(family),
        "forward",
        lambda original, self, *args, **kwargs: original(self, *args, **{**kwargs, cache: None}),
    )


_UPDATES = {
    "t5": "key_states, value_states = curr_past_key_value.update(",
    "bart": "key_states, value_states = curr_past_key_value.update(",
    "gpt2": "key_states, value_states = past_key_value.update(",
    "llama": "key_states, value_states = past_key_values.update(",
}


@_add("keys and values go into the cache, but the past is not used", _STEPS)
def past_not_used(family: str) -> None:
    text = _UPDATES[family]
    rewrite(attention_of(family), "forward", (text, text.replace("key_states, value_states", "_ignored")))


@_add(
    "the inputs of generate are replicated, but not marked as such",
    on.bottleneck(on.GENERATING, mode="generate"),
)
def inputs_not_marked(_family: str) -> None:
    text = 'model_kwargs["adapter_input_parallelized"] = True'
    rewrite(_generating(), "_prepare_model_inputs", (text, "pass"))


@_add("the inputs of generate are replicated row by row", on.bottleneck(on.GENERATING, mode="generate"))
def inputs_interleaved(_family: str) -> None:
    text = "input_ids = input_ids.repeat(repeat_shape)"
    rewrite(
        _generating(),
        "_prepare_model_inputs",
        (text, "input_ids = input_ids.repeat_interleave(repeat_shape[0], 0)"),
    )


@_add("the cache does not follow the beams", on.bottleneck(on.GENERATING, mode="beam"))
def beams_not_reordered(_family: str) -> None:
    from transformers.cache_utils import DynamicCache, EncoderDecoderCache

    for cache in (DynamicCache, EncoderDecoderCache):
        kept = cache.reorder_cache
        cache.reorder_cache = _only_without_adapters(kept)


def _only_without_adapters(kept: Any) -> Any:
    """The library's models tell the cache nothing; the bare model's cache is not touched."""
    from adapters.context import ForwardContext  # noqa: F401

    def reorder(self: Any, beams: Any) -> None:
        import inspect

        caller = inspect.currentframe()
        while caller is not None and caller.f_code.co_name != "_beam_search":
            caller = caller.f_back
        if caller is None or not hasattr(caller.f_locals["self"], "adapters_config"):
            kept(self, beams)

    return reorder


def _generating() -> Any:
    return module("model_mixin").ModelWithHeadsAdaptersMixin


@_add(
    "a ReFT keeps the token positions of the first step",
    on.specs(on.DECODERS, compose="stack(a)", adapter="loreft", mode="generate"),
)
def reft_positions_kept(_family: str) -> None:
    rewrite(
        module("methods.reft").ReftModule,
        "_gather_adapted_states",
        ("torch.max(context.suff_idx) >= seq_len", "False"),
    )
