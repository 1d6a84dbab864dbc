"""Tiny models with adapters and one planted defect each, for rules whose defect no release shows reliably.

The defects are those that were seen in releases, reduced to a few lines; each names where.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

from . import bert, bert_with_heads, gpt2, t5


def writes_into_mask() -> Any:
    """Replicates the caller's mask in place (`Tensor.set_`, releases 1.0.0 to 1.2.0, BART and others)."""
    model = _prepared()

    def replicate(module: Any, args: Any, kwargs: Any) -> None:
        mask = kwargs.get("attention_mask")
        if mask is not None and _is_parallel(model):
            mask.mul_(2)

    model.register_forward_pre_hook(replicate, with_kwargs=True)
    return model


def drifts_from_call_to_call() -> Any:
    """Gives something else in each call after the first one with the same active set-up."""
    seen: dict[str, Any] = {"setup": None, "calls": 0}
    model = _broken_layer(lambda model, states: states * (1 + 0.1 * seen["calls"]))

    def count(module: Any, args: Any) -> None:
        setup = model.adapters_config.active_setup
        seen["calls"] = seen["calls"] + 1 if setup is seen["setup"] and setup is not None else 0
        seen["setup"] = setup

    model.register_forward_pre_hook(count)
    return model


def swaps_heads() -> Any:
    """Several active heads serve each other's rows."""
    return _with_other_heads(lambda names: list(reversed(names)))


def serves_all_with_one_head() -> Any:
    """The first of several active heads serves all rows."""
    return _with_other_heads(lambda names: [names[0]] * len(names))


def _with_other_heads(change: Callable[[list[str]], list[str]]) -> Any:
    """A model that runs with other heads than those that are active, where these are several."""
    from adapters.composition import BatchSplit

    model = bert_with_heads()

    class Changed(type(model)):  # type: ignore[misc]
        active_head: Any

        def forward_head(self, *args: Any, **kwargs: Any) -> Any:
            active = self.active_head
            if active is None or isinstance(active, str):
                return super().forward_head(*args, **kwargs)
            names = change(list(active))
            split = isinstance(active, BatchSplit)
            self.active_head = BatchSplit(*names, batch_sizes=active.batch_sizes) if split else names
            try:
                return super().forward_head(*args, **kwargs)
            finally:
                self.active_head = active

    model.__class__ = Changed
    return model


def kills_the_process() -> Any:
    """Aborts under `Parallel`, as a double free does (`Tensor.set_` on an expanded tensor, release 1.0.0)."""
    return _broken_layer(
        lambda model, states: os.abort() if _is_parallel(model) and _is_real(states) else states
    )


def shifts_states_until_it_dies() -> Any:
    """Wrong lanes under `Parallel`, and the process aborts on a batch of one row (Whisper, 1.2.0)."""

    def change(model: Any, states: Any) -> Any:
        if not _is_parallel(model):
            return states
        return os.abort() if _is_real(states) and states.shape[0] == 2 else _shifted(states)

    return _broken_layer(change)


def fails_only_for_real() -> Any:
    """An op that shapes alone do not object to: the shape trace runs to its end, the execution does not."""
    return _broken_layer(lambda model, states: _refused(states) if _is_real(states) else states)


def shifts_states() -> Any:
    """Adds the row number to the states under `Parallel`: lanes depart, and nothing objects."""
    return _broken_layer(lambda model, states: _shifted(states) if _is_parallel(model) else states)


def interleaves_states() -> Any:
    """Puts the states of two lanes into the order row by row under `Parallel`."""
    return _broken_layer(lambda model, states: _interleaved(states) if _is_parallel(model) else states)


def eager_is_other() -> Any:
    """GPT-2 with other arithmetic under `Parallel` when attention is computed eagerly."""
    return _with_eager(lambda states: states * 1.5)


def _with_eager(change: Callable[[Any], Any]) -> Any:
    import adapters

    model = gpt2()
    adapters.init(model)

    def hook(module: Any, args: Any, output: Any) -> Any:
        eager = model.config._attn_implementation == "eager"
        return _each_state(output, lambda states: change(states) if eager and _is_parallel(model) else states)

    model.transformer.h[0].register_forward_hook(hook)
    return model


def halves_gradients() -> Any:
    """Cuts half of the gradient off under `Parallel`; the forward pass is right."""
    return _broken_layer(
        lambda model, states: (states + states.detach()) / 2 if _is_parallel(model) else states
    )


def learns_from_first_rows() -> Any:
    """GPT-2 whose loss has the right value under `BatchSplit`, and the gradient of the first row."""
    import adapters

    model = gpt2()
    adapters.init(model)

    def detached(module: Any, args: Any, output: Any) -> Any:
        if type(model.adapters_config.active_setup).__name__ == "BatchSplit" and output.loss is not None:
            first = output.logits[:1].square().mean()
            output.loss = output.loss.detach() + first - first.detach()
        return output

    model.register_forward_hook(detached)
    return model


def recomputes_otherwise() -> Any:
    """BERT whose first layer computes something else when gradient checkpointing runs it again."""
    import torch

    model = _prepared()

    def hook(module: Any, args: Any, output: Any) -> Any:
        again = torch._C._current_graph_task_id() != -1 and model.active_adapters
        return _each_state(output, lambda states: states * (1.5 if again else 1.0))

    model.encoder.layer[0].attention.register_forward_hook(hook)
    return model


def counts_padding() -> Any:
    """Every row depends on the padding of all others (positions counted over the whole batch)."""
    seen: dict[str, Any] = {}
    model = _broken_layer(lambda model, states: states + 0.1 * (seen["mask"] == 0).sum())

    def remember(module: Any, args: Any, kwargs: Any) -> None:
        seen["mask"] = kwargs["attention_mask"]

    model.register_forward_pre_hook(remember, with_kwargs=True)
    return model


def sees_padding() -> Any:
    """An active adapter sees the mean over all tokens, padding and all."""
    return _broken_layer(
        lambda model, states: states + 0.1 * states.mean(1, keepdim=True) if model.active_adapters else states
    )


def counts_rows() -> Any:
    """An active adapter is the weaker the more rows the batch has."""
    return _broken_layer(
        lambda model, states: states * (1 + 1 / len(states)) if model.active_adapters else states
    )


def forgets_the_cache() -> Any:
    """T5 whose steps of one token, those with a cache, are other arithmetic when adapters are active."""
    import adapters

    model = t5()
    adapters.init(model)

    def departs(module: Any, args: Any, output: Any) -> Any:
        return _each_state(output, lambda states: _half_again(states) if model.active_adapters else states)

    model.decoder.block[0].register_forward_hook(departs)
    return model


def forgets_alpha() -> Any:
    """BERT whose LoRA modules all scale by one, whatever `alpha` says (adapters before 1.1)."""
    from torch.nn import ModuleDict

    model = _prepared()
    add_adapter = model.add_adapter

    def add(name: str, *arguments: Any, **options: Any) -> None:
        add_adapter(name, *arguments, **options)
        for module in model.modules():
            own: Any = module[name] if isinstance(module, ModuleDict) and name in module else None
            if hasattr(own, "scaling"):
                own.scaling = 1.0

    model.add_adapter = add
    return model


def splits_one_token_late() -> Any:
    """BERT whose adapter layers give one token too many to the first part of a `Split`."""
    model = _prepared()
    for module in model.modules():
        if hasattr(module, "compose_split"):
            module.compose_split = partial(_late, module.compose_split)
    return model


def _late(original: Any, setup: Any, *arguments: Any, **options: Any) -> Any:
    first, *others, last = setup.splits
    late = type(setup)(*setup.children, splits=[first + 1, *others, last - 1])
    return original(late, *arguments, **options)


def changed_by_init() -> Any:
    """BERT whose class gets other arithmetic from `adapters.init` on (an extra transpose in LLaMA, 1.2.0)."""
    model = bert()

    def departs(module: Any, args: Any, output: Any) -> Any:
        prepared = hasattr(model, "adapters_config")
        return _each_state(output, lambda states: states * 1.5 if prepared else states)

    model.encoder.layer[0].register_forward_hook(departs)
    return model


def attends_to_what_follows() -> Any:
    """BERT with more attention behind its first layer, causal only until `adapters.init` (LLaMA, 0.2.2)."""
    model = bert()

    def attends(module: Any, args: Any, output: Any) -> Any:
        prepared = hasattr(model, "adapters_config")
        return _each_state(output, lambda states: _attended(states, causal=not prepared))

    model.encoder.layer[0].register_forward_hook(attends)
    return model


def _attended(states: Any, causal: bool) -> Any:
    """Attention of one head; what is not causal has come through a repeat that changes nothing."""
    from torch.nn.functional import scaled_dot_product_attention

    states = states[:, None] if causal else states[:, None].repeat(1, 1, 1, 1)
    return scaled_dot_product_attention(states, states, states, is_causal=causal).squeeze(1)


def two_defects() -> Any:
    """Two independent meetings: in each layer something with the caller's rows meets the expanded states.

    The first one stops an ordinary run, so the second one shows only to a run that goes on.
    """
    model = _prepared()
    for index, layer in enumerate(model.encoder.layer):
        _meet(model, layer, index)
    return model


def _meet(model: Any, layer: Any, index: int) -> None:
    """Remember what enters the model, and add it behind the layer."""
    import torch

    seen: dict[str, torch.Tensor] = {}

    def remember(module: Any, args: Any, output: Any) -> None:
        seen["states"] = output

    def add_first(module: Any, args: Any, output: Any) -> Any:
        return _each_state(output, lambda states: states + seen["states"])

    def add_second(module: Any, args: Any, output: Any) -> Any:
        return _each_state(output, lambda states: seen["states"] * states)

    model.embeddings.register_forward_hook(remember)
    layer.register_forward_hook(add_first if index == 0 else add_second)


def _broken_layer(change: Callable[[Any, Any], Any]) -> Any:
    """BERT with adapters whose last layer's states go through `change(model, states)`."""
    model = _prepared()

    def hook(module: Any, args: Any, output: Any) -> Any:
        return _each_state(output, lambda states: change(model, states))

    model.encoder.layer[-1].register_forward_hook(hook)
    return model


def _prepared() -> Any:
    import adapters

    model = bert()
    adapters.init(model)
    return model


def _each_state(output: Any, change: Callable[[Any], Any]) -> Any:
    """Layers return their states alone or in front of a tuple, depending on the release."""
    if isinstance(output, tuple):
        return (change(output[0]), *output[1:])
    return change(output)


def _is_parallel(model: Any) -> bool:
    return type(model.adapters_config.active_setup).__name__ == "Parallel"


def _is_real(states: Any) -> bool:
    return bool(states.device.type != "meta")


def _refused(states: Any) -> Any:
    import torch

    return torch.linalg.cholesky(-torch.eye(2, dtype=states.dtype)).sum() + states


def _half_again(states: Any) -> Any:
    return states * 1.5 if states.shape[1] == 1 else states


def _shifted(states: Any) -> Any:
    import torch

    rows = torch.arange(states.shape[0], dtype=states.dtype, device=states.device)
    return states + rows[:, None, None]


def _interleaved(states: Any) -> Any:
    return states.view(2, -1, *states.shape[1:]).transpose(0, 1).reshape(states.shape)
