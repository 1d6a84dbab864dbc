"""Defects of the whole: what `adapters.init` does, what is lost on the way, what is written to inputs."""

from __future__ import annotations

from typing import Any

import torch

from . import families as on
from .defect import Collection
from .edit import module, rewrite, wrap
from .layers import lora_layer

WHOLE = Collection()
_add = WHOLE.add


def _everywhere_but_gpt2() -> tuple[str, ...]:
    return tuple(f for f in on.FAMILIES if f != "gpt2")


@_add("adapters.init changes the weights of what LoRA wraps", on.lora())
def init_changes_weights(_family: str) -> None:
    def scaled(original: Any, self: Any, wrapped: Any) -> None:
        original(self, wrapped)
        self.weight = torch.nn.Parameter(self.weight.detach() * 1.001)

    wrap(lora_layer(), "copy_from", scaled)


@_add("adapters.init loses the bias of what LoRA wraps", on.lora(("bert", "bart", "vit")))
def init_loses_bias(_family: str) -> None:
    none = "self.bias = torch.nn.Parameter(torch.zeros_like(module.bias))"
    rewrite(lora_layer(), "copy_from", ("self.bias = module.bias", none))


@_add("the layer norm is skipped where no adapter is active", on.bottleneck(("bert", "bart")))
def layer_norm_skipped(_family: str) -> None:
    rewrite(
        module("methods.bottleneck").BottleneckLayer,
        "bottleneck_layer_forward",
        ("hidden_states = layer_norm(hidden_states + residual_input)", "hidden_states += residual_input"),
    )


@_add("the residual is lost where no adapter is active", on.bottleneck(("t5", "gpt2", "llama", "vit")))
def residual_lost(_family: str) -> None:
    text = "hidden_states = hidden_states + residual_input"
    rewrite(module("methods.bottleneck").BottleneckLayer, "bottleneck_layer_forward", (text, "pass"))


@_add("alpha has no effect in LoRA", on.lora(_everywhere_but_gpt2(), compose="stack(a)"))
def alpha_without_effect(_family: str) -> None:
    rewrite(module("methods.lora").LoRA, "forward", ("hidden_states = hidden_states * self.scaling", "pass"))


@_add("(IA)3 scales no value matrix", on.specs(("bert", "t5", "bart"), compose="stack(a)", adapter="ia3"))
def ia3_without_value_matrix(_family: str) -> None:
    def only_keys(original: Any, self: Any, states: Any) -> Any:
        if self.attn_key != "v":
            return original(self, states)
        return torch.nn.functional.linear(states, self.weight, self.bias)

    wrap(lora_layer(), "forward", only_keys)


@_add("an adapter is skipped in the last layer", on.bottleneck(compose="stack(a)"))
def skipped_in_last_layer(_family: str) -> None:
    def early_only(original: Any, self: Any) -> Any:
        return None if self.layer_idx > 0 else original(self)

    wrap(module("methods.bottleneck").BottleneckLayer, "get_active_setup", early_only)


@_add("an adapter is never run", on.bottleneck(compose="stack(a)"))
def never_run(_family: str) -> None:
    def not_run(_original: Any, _self: Any, name: str, state: Any, **_level: Any) -> Any:
        return state._replace(last=name)

    wrap(module("methods.bottleneck").BottleneckLayer, "compose_single", not_run)


def _inputs_written(change: Any) -> None:
    def writing(original: Any, self: Any, context: Any, *args: Any, **kwargs: Any) -> Any:
        for value in [*args, *kwargs.values()]:
            if isinstance(value, torch.Tensor):
                change(value)
        return original(self, context, *args, **kwargs)

    wrap(module("model_mixin").ModelAdaptersMixin, "forward_context", writing)


@_add("the caller's tensors are written to", on.lora(mask="full"))
def inputs_written(_family: str) -> None:
    _inputs_written(lambda value: value.view(-1)[-1:].zero_())


@_add("the caller's mask is resized in place", on.lora(on.TEXT, mask="full"))
def mask_resized(_family: str) -> None:
    _inputs_written(lambda value: value.set_(value.repeat(2, 1)) if bool((value == 1).all()) else None)


@_add("a call leaves something behind for the next one", on.bottleneck())
def state_kept_between_calls(_family: str) -> None:
    def drifting(original: Any, self: Any, *args: Any, **kwargs: Any) -> Any:
        self.scaling = self.scaling * 1.01
        return original(self, *args, **kwargs)

    wrap(module("methods.modeling").Adapter, "forward", drifting)


@_add("random numbers in the forward pass", on.lora())
def random_forward(_family: str) -> None:
    def noisy(original: Any, self: Any, hidden: Any, layer_input: Any) -> Any:
        out, gate = original(self, hidden, layer_input)
        return out + 1e-4 * torch.randn_like(out), gate

    wrap(module("methods.lora").LoRA, "forward", noisy)


_CHECKPOINTED = on.prefix(
    ("bert", "bart", "llama"), compose="stack(a)", mode="train", gradient_checkpointing=True
)


@_add("the context is gone when layers are recomputed", _CHECKPOINTED)
def context_lost_on_recomputation(_family: str) -> None:
    def emptied(original: Any, self: Any, *error: Any) -> None:
        original(self, *error)
        if hasattr(self, "prefix_states"):
            del self.prefix_states

    wrap(module("context").ForwardContext, "__exit__", emptied)
