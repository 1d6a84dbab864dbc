"""Defects of the other blocks: Average, BatchSplit, Split, MultiTask, Fuse, Stack in Parallel."""

from __future__ import annotations

from typing import Any

import torch

from . import families as on
from .defect import Collection
from .edit import module, rewrite, wrap
from .layers import bottleneck_layer, composable_layer, lora_layer

BLOCKS = Collection()
_add = BLOCKS.add

_AVERAGE = "average(a,b;0.3,0.7)"
_BATCHES = "batchsplit(a,b;2,1)"
_SPLIT = "split(a,b;3,4)"


def _weigh(change: Any) -> None:
    for owner in (lora_layer(), bottleneck_layer()):
        wrap(owner, "mean", lambda original, self, states, weights: original(self, states, change(weights)))


@_add("Average divides by the number of adapters twice", on.lora(compose=_AVERAGE))
def average_divides_twice(_family: str) -> None:
    _weigh(lambda weights: weights / len(weights))


@_add("Average uses the weights in reverse order", on.bottleneck(compose=_AVERAGE))
def average_weights_reversed(_family: str) -> None:
    _weigh(lambda weights: weights.flip(0))


@_add("Average ignores its weights", on.lora(compose=_AVERAGE))
def average_weights_ignored(_family: str) -> None:
    _weigh(lambda weights: torch.full_like(weights, 1 / len(weights)))


@_add("Average takes the first adapter only", on.lora(compose=_AVERAGE))
def average_first_only(_family: str) -> None:
    _weigh(lambda weights: torch.cat([torch.ones_like(weights[:1]), torch.zeros_like(weights[1:])]))


@_add("the rows of a BatchSplit are shifted by one", on.lora(compose=_BATCHES))
def batch_split_shifted(_family: str) -> None:
    rewrite(
        composable_layer(),
        "compose_batch_split",
        ("sum(adapter_setup.batch_sizes[:i]),", "sum(adapter_setup.batch_sizes[:i]) - (i > 0),"),
        ("sum(adapter_setup.batch_sizes[: i + 1]),", "sum(adapter_setup.batch_sizes[: i + 1]) - (i == 0),"),
    )


@_add("all parts of a BatchSplit run the first adapter", on.bottleneck(compose=_BATCHES))
def batch_split_first_only(_family: str) -> None:
    text = "for i, child in enumerate(adapter_setup):"
    new = text.replace("adapter_setup", "adapter_setup.children[:1] * len(adapter_setup)")
    rewrite(composable_layer(), "compose_batch_split", (text, new))


@_add(
    "all parts of a BatchSplit get the prefix of their neighbour's rows",
    on.prefix(compose=_BATCHES, mask="full"),
)
def batch_split_prefix_of_last(_family: str) -> None:
    text = "for i, child in enumerate(adapter_setup):"
    rewrite(
        composable_layer(),
        "compose_batch_split",
        (text, text.replace("adapter_setup", "adapter_setup.children[::-1]")),
    )


@_add("an empty part of a BatchSplit gets a prefix", on.prefix(compose="batchsplit(a,b;3,0)"))
def batch_split_empty_part(_family: str) -> None:
    rewrite(
        module("methods.prefix_tuning").PrefixTuningLayer,
        "compose_single",
        ("or state.idx_slice.start == state.idx_slice.stop == prefix_keys.size(0)", "or False"),
    )


@_add("Split is off by one token", on.bottleneck(on.TEXT, compose=_SPLIT))
def split_off_by_one(_family: str) -> None:
    rewrite(
        bottleneck_layer(),
        "compose_split",
        ("sum(adapter_setup.splits[:i]),", "sum(adapter_setup.splits[:i]) - (i > 0),"),
        ("sum(adapter_setup.splits[: i + 1]),", "sum(adapter_setup.splits[: i + 1]) - (i == 0),"),
    )


@_add("Split runs the first adapter on all parts", on.bottleneck(on.TEXT, compose=_SPLIT))
def split_first_only(_family: str) -> None:
    text = "for i, child in enumerate(adapter_setup):"
    new = text.replace("adapter_setup", "adapter_setup.children[:1] * len(adapter_setup)")
    rewrite(bottleneck_layer(), "compose_split", (text, new))


@_add("the parts of a Split come in reverse order", on.bottleneck(on.TEXT, compose=_SPLIT))
def split_parts_reversed(_family: str) -> None:
    text = "[child.hidden_states for child in children_states]"
    rewrite(
        bottleneck_layer(), "compose_split", (text, text.replace("children_states", "children_states[::-1]"))
    )


_TASKS = on.specs(("bert", "t5", "bart", "llama", "vit"), compose="multitask(a,b)", adapter="mtl_lora")


@_add("MultiTask does not put the rows back in order", _TASKS)
def multi_task_order_lost(_family: str) -> None:
    rewrite(
        composable_layer(),
        "compose_multi_task",
        ("self.vslice(inter_state, ordering_idx.argsort())", "inter_state"),
    )


@_add("MultiTask sorts the rows twice instead of back", _TASKS)
def multi_task_wrong_inverse(_family: str) -> None:
    rewrite(composable_layer(), "compose_multi_task", ("ordering_idx.argsort())", "ordering_idx.roll(1))"))


_FUSION = on.bottleneck(compose="fuse(a,b)")


@_add("a fusion sees its first adapter only", _FUSION)
def fusion_first_only(_family: str) -> None:
    text = "[state.bottleneck_up for state in children_states]"
    rewrite(
        bottleneck_layer(),
        "compose_fuse",
        (text, "[children_states[0].bottleneck_up for _ in children_states]"),
    )


def _fused() -> Any:
    return module("methods.modeling").BertFusion


@_add("a fusion's attention sums up to one over the tokens, not over the adapters", _FUSION)
def fusion_over_tokens(_family: str) -> None:
    rewrite(_fused(), "forward", ("nn.Softmax(dim=-1)", "nn.Softmax(dim=1)"))


@_add("a fusion forgets the residual", _FUSION)
def fusion_without_residual(_family: str) -> None:
    rewrite(_fused(), "forward", ("context_layer += residual", "pass"))


@_add("a fusion takes the residual of the next row", _FUSION)
def fusion_leaks_rows(_family: str) -> None:
    rewrite(_fused(), "forward", ("context_layer += residual", "context_layer += 0.9 * residual.roll(1, 0)"))


@_add("a Stack in a Parallel runs its last adapter only", on.bottleneck(compose="parallel(stack(a,b),c)"))
def nested_stack_last_only(_family: str) -> None:
    text = "for i, adapter_stack_layer in enumerate(adapter_setup):"
    new = text.replace("adapter_setup", "adapter_setup.children[-1:] if lvl else adapter_setup")
    rewrite(composable_layer(), "compose_stack", (text, new))


@_add(
    "a Parallel in a Stack begins with the states before the Stack",
    on.bottleneck(compose="stack(a,parallel(b,c))"),
)
def parallel_in_stack_forgets(_family: str) -> None:
    def forgetful(original: Any, self: Any, setup: Any, state: Any, lvl: int = 0) -> Any:
        if any(not isinstance(child, str) for child in setup):
            setup = type(setup)(*[child for child in setup if not isinstance(child, str)])
        return original(self, setup, state, lvl)

    wrap(composable_layer(), "compose_stack", forgetful)
