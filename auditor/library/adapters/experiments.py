"""What is tried on a model with `adapters`: copies of adapters, one-sided attention, layers under watch.

Each leaves the model as it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from ...schema.composition import Block, Node, as_block
from ..library import Watch

ATTENTION = 1e6
"""A score so much larger than zero that softmax leaves nothing to the others, also when divided by 50."""


class AdapterExperiments:
    """The experiments of `library.Library`."""

    def block(self, tree: Node) -> Any:
        """Our tree as the library's object."""
        raise NotImplementedError

    def parameters(self, model: Any, adapter: str) -> Iterator[tuple[str, Any]]:
        """All parameters that `adapter` owns: every method keeps them in a ModuleDict under its name."""
        for path, module in modules_of(model, adapter):
            for name, parameter in module.named_parameters():
                yield f"{path}.{name}", parameter

    @contextmanager
    def other_strength(self, model: Any, adapter: str) -> Iterator[tuple[str, Any]]:
        """A copy of an adapter whose `alpha` is twice as large, and one of its modules.

        Raises LookupError when the adapter's configuration has no such strength or it is in no module.
        """
        config = model.adapters_config.get(adapter)
        alpha = getattr(config, "alpha", None)
        if isinstance(alpha, bool) or not isinstance(alpha, (int, float)):
            raise LookupError(adapter)
        copy = f"{adapter}_other_strength"
        try:
            self._copy(model, adapter, copy, config.replace(alpha=2 * alpha))
            yield copy, self._a_module(model, copy)
        finally:
            model.delete_adapter(copy)

    @contextmanager
    def fused_copies(self, model: Any, adapter: str, count: int) -> Iterator[Block]:
        """A Fuse of an adapter with copies of itself, whose fusion layers hand the values on as they are.

        Whatever its attention looks like, it mixes equal values: the result is that of the adapter.
        """
        copies = [f"{adapter}_copy{number}" for number in range(1, count)]
        tree = Block("fuse", (adapter, *copies))
        fusion = self.block(tree)
        added = fusion.name not in model.adapters_config.fusions
        try:
            for copy in copies:
                self._copy(model, adapter, copy, model.adapters_config.get(adapter))
            if added:
                model.add_adapter_fusion(list(fusion.children))
            with _handing_on([layer for _, layer in modules_of(model, fusion.name)]):
                yield tree
        finally:
            if added and fusion.name in model.adapters_config.fusions:
                model.delete_adapter_fusion(fusion)
            for copy in copies:
                model.delete_adapter(copy)

    @contextmanager
    def attending(self, model: Any, fuse: Block, child: int) -> Iterator[None]:
        """A Fuse of adapters attends to one of them only, and hands its values on as they are.

        Raises LookupError where some layer has not all of the adapters: nobody can attend to a missing one.
        """
        places = {
            name: {p.rpartition(".")[0] for p, _ in modules_of(model, str(name))} for name in fuse.children
        }
        if len({frozenset(found) for found in places.values()}) > 1:
            raise LookupError(str(fuse))
        fusion = self.block(fuse)
        layers = [layer for _, layer in modules_of(model, fusion.name) if hasattr(layer, "query")]
        if not layers:
            raise LookupError(str(fuse))  # it has no attention that could be directed
        hooks = [layer.query.register_forward_hook(_ones) for layer in layers]
        hooks += [layer.key.register_forward_hook(partial(_only, child)) for layer in layers]
        try:
            with _handing_on(layers):
                yield
        finally:
            for hook in hooks:
                hook.remove()

    @contextmanager
    def composing(self, model: Any, watch: Watch) -> Iterator[None]:
        """Call `watch(path, state, result, compose)` after each adapter layer has run its composition.

        `state` and `result` are named tuples of tensors, `compose(tree, state)` runs another composition in
        the same layer.
        """
        from adapters.methods.adapter_layer_base import ComposableAdapterLayerBase

        layers = [
            (path, module)
            for path, module in model.named_modules()
            if isinstance(module, ComposableAdapterLayerBase)
        ]
        try:
            for path, layer in layers:
                layer.compose = self._watched(path, layer.compose, watch)
            yield
        finally:
            for _, layer in layers:
                vars(layer).pop("compose", None)

    def _watched(self, path: str, original: Any, watch: Watch) -> Any:
        def compose(setup: Any, state: Any) -> Any:
            result = original(setup, state)
            watch(path, state, result, lambda tree, other: original(self.block(as_block(tree)), other))
            return result

        return compose

    def _copy(self, model: Any, adapter: str, copy: str, config: Any) -> None:
        """Add an adapter with the parameters of another one."""
        model.add_adapter(copy, config=config)
        mine = [p for _, p in self.parameters(model, adapter)]
        for (_, theirs), own in zip(self.parameters(model, copy), mine, strict=True):
            theirs.data = own.data.clone()

    def _a_module(self, model: Any, adapter: str) -> Any:
        module = next((m for _, m in modules_of(model, adapter) if hasattr(m, "scaling")), None)
        if module is None:
            raise LookupError(adapter)
        return module


def modules_of(model: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Modules of an adapter or fusion, with their paths; a head of the same name is none."""
    from torch.nn import ModuleDict

    heads = getattr(model, "heads", None)
    for path, module in model.named_modules():
        if isinstance(module, ModuleDict) and name in module and module is not heads:
            yield f"{path}.{name}", module[name]


@contextmanager
def _handing_on(layers: Sequence[Any]) -> Iterator[None]:
    """Fusion layers hand values on as they are; those without a value projection always do."""
    values = [layer.value.weight for layer in layers if getattr(layer, "value", None) is not None]
    trained = [weight.data for weight in values]
    try:
        for weight in values:
            weight.data = _identity_like(weight)
        yield
    finally:
        for weight, data in zip(values, trained, strict=True):
            weight.data = data


def _identity_like(weight: Any) -> Any:
    import torch

    return torch.eye(weight.shape[0], dtype=weight.dtype, device=weight.device)


def _ones(_module: Any, _args: Any, queries: Any) -> Any:
    return queries.new_ones(queries.shape)


def _only(child: int, _module: Any, _args: Any, keys: Any) -> Any:
    """Keys ([..., children, width]) for queries of ones: whatever the temperature, one child gets it all."""
    chosen = keys.new_zeros(keys.shape)
    chosen[..., child, :] = ATTENTION
    return chosen
