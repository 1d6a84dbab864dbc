"""Defects of lanes: which adapter runs on which rows, and what gets from one to the other."""

from __future__ import annotations

from typing import Any

import torch

from . import families as on
from .defect import Collection
from .edit import rewrite, wrap
from .layers import bottleneck_layer, composable_layer, lora_layer, prefix_layer

LANES = Collection()
_add = LANES.add

Concat = Any
LEAK = 1e-6


def _change_states(owner: Any, change: Any) -> None:
    """Change the lanes' states before they are put together again."""
    wrap(owner, "pad_and_concat", lambda original, self, states: original(self, change(list(states))))


def _changed_hidden(change: Any) -> Any:
    """A change of every lane's hidden states but the first's; gets own and first lane's states."""

    def changed(states: list[Any]) -> list[Any]:
        first, *others = states
        return [
            first,
            *(s._replace(hidden_states=change(s.hidden_states, first.hidden_states)) for s in others),
        ]

    return changed


@_add("LoRA puts the lanes together in reverse order", on.lora())
def lora_lanes_reversed(_family: str) -> None:
    _change_states(lora_layer(), lambda states: states[::-1])


@_add("a bottleneck puts the lanes together in reverse order", on.bottleneck())
def bottleneck_lanes_reversed(_family: str) -> None:
    _change_states(bottleneck_layer(), lambda states: states[::-1])


@_add("a millionth of lane 0 leaks into the other lanes of a bottleneck", on.bottleneck())
def bottleneck_small_leak(_family: str) -> None:
    _change_states(bottleneck_layer(), _changed_hidden(lambda own, first: own + LEAK * first))


@_add("a millionth of lane 0 leaks into the other lanes of LoRA", on.lora())
def lora_small_leak(_family: str) -> None:
    _change_states(lora_layer(), _changed_hidden(lambda own, first: own + LEAK * first))


@_add("the mean over all lanes is taken off every lane", on.bottleneck(compose="parallel(a,b,c)"))
def lanes_centred(_family: str) -> None:
    _change_states(bottleneck_layer(), _changed_hidden(lambda own, first: own - LEAK * (own + first) / 2))


@_add("lane i runs adapter i + 1", on.bottleneck(compose="parallel(a,b,c)"))
def lane_runs_next_adapter(_family: str) -> None:
    _run_children("adapter_setup.children[1:] + adapter_setup.children[:1]")


@_add("LoRA's lane i runs adapter i + 1", on.lora())
def lora_lane_runs_next_adapter(_family: str) -> None:
    _run_children("adapter_setup.children[1:] + adapter_setup.children[:1]")


@_add("all lanes run adapter 0", on.lora())
def all_lanes_run_first_adapter(_family: str) -> None:
    _run_children("adapter_setup.children[:1] * len(adapter_setup)")


@_add("all lanes of a prefix run adapter 0", on.prefix())
def prefix_all_lanes_run_first(_family: str) -> None:
    _run_children("adapter_setup.children[:1] * len(adapter_setup)")


def _run_children(children: str) -> None:
    text = "for i, child in enumerate(adapter_setup):"
    rewrite(composable_layer(), "compose_parallel", (text, text.replace("adapter_setup", children)))


@_add("the last lane runs no adapter", on.bottleneck())
def last_lane_without_adapter(_family: str) -> None:
    text = "elif child in self.adapter_modules:"
    rewrite(
        composable_layer(), "compose_parallel", (text, text.replace(":", " and i + 1 < len(adapter_setup):"))
    )


@_add("lanes begin one row too late", on.lora())
def lanes_shifted_by_one_row(_family: str) -> None:
    def shifted(original: Any, self: Any, state: Any, rows: Any) -> Any:
        late = isinstance(rows, slice) and rows.start > 0
        return original(self, state, slice(rows.start - 1, rows.stop - 1) if late else rows)

    wrap(lora_layer(), "vslice", shifted)


@_add("some values of the last lane are dropped", on.lora())
def last_lane_dropped_out(_family: str) -> None:
    def dropped(own: torch.Tensor, _first: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.dropout(own, 0.1, training=True)

    _change_states(lora_layer(), _changed_hidden(dropped))


@_add(
    "scaling is lost in all lanes but the first",
    on.lora(),
)
def scaling_lost_in_later_lanes(_family: str) -> None:
    def unscaled(states: list[Any]) -> list[Any]:
        return [states[0], *(s._replace(hidden_states=s.hidden_states / 8) for s in states[1:])]

    _change_states(lora_layer(), unscaled)


@_add("the residual reaches the first lane only", on.bottleneck())
def residual_in_first_lane_only(_family: str) -> None:
    def no_residual(original: Any, self: Any, state: Any, rows: Any) -> Any:
        part = original(self, state, rows)
        later = isinstance(rows, slice) and rows.start > 0
        return part._replace(adapter_residual=torch.zeros_like(part.adapter_residual)) if later else part

    wrap(bottleneck_layer(), "vslice", no_residual)


@_add("Parallel adds the residual twice", on.bottleneck())
def residual_twice(_family: str) -> None:
    text = "children_states = []"
    double = "state = state._replace(adapter_residual=state.adapter_residual * 2)"
    rewrite(composable_layer(), "compose_parallel", (text, f"{text}; {double}"))


@_add(
    "(IA)3 scales no value matrix in lanes but the first",
    on.specs(on.FAMILIES[:3], compose=on.PARALLEL, adapter="ia3"),
)
def ia3_value_matrix_in_first_lane_only(_family: str) -> None:
    def ones(original: Any, self: Any, states: list[Any]) -> Any:
        if self.attn_key != "v":
            return original(self, states)
        plain = [s._replace(hidden_states=torch.ones_like(s.hidden_states)) for s in states[1:]]
        return original(self, [states[0], *plain])

    wrap(lora_layer(), "pad_and_concat", ones)


_DORA = on.lora(("bert", "t5", "bart", "llama", "vit"))
for _spec in _DORA.values():
    _spec["adapter"] = "lora[use_dora=True]"


@_add("DoRA takes the last adapter's magnitude for all lanes", _DORA)
def dora_magnitude_of_another(_family: str) -> None:
    def last_for_all(states: list[Any]) -> list[Any]:
        return [s._replace(magnitude=states[-1].magnitude) for s in states]

    _change_states(lora_layer(), last_for_all)


@_add("no prefix is put before keys and values of lanes but the first", on.prefix())
def prefix_in_first_lane_only(_family: str) -> None:
    def first_only(original: Any, self: Any, name: Any, state: Any, lvl: int = 0) -> Any:
        later = state.idx_slice is not None and state.idx_slice.start
        return state if later else original(self, name, state, lvl)

    wrap(prefix_layer(), "compose_single", first_only)


@_add("gradients reach the first lane only", on.lora(mode="train"))
def gradient_in_first_lane_only(_family: str) -> None:
    _change_states(lora_layer(), _changed_hidden(lambda own, _first: own.detach()))


@_add("gradients of bottlenecks reach the first lane only", on.bottleneck(mode="train"))
def bottleneck_gradient_in_first_lane_only(_family: str) -> None:
    _change_states(bottleneck_layer(), _changed_hidden(lambda own, _first: own.detach()))
