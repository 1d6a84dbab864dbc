"""The AdapterHub library `adapters`, releases 0.2 and later."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from ..errors import LibraryRefusal
from ..schema.composition import KINDS, NUMBERED, Block, Node, as_block, walk
from ..schema.result import Activity
from .installed import REQUIRED
from .library import Watch

_NO_DOWNLOAD = {"try_loading_from_hub": False}
"""Releases before 1.0 ask AdapterHub for its index before they read what stands in brackets."""

ATTENTION = 1e6
"""A score so much larger than zero that softmax leaves nothing to the others, also when divided by 50."""


class AdaptersBackend:
    """See `base.Backend`. All imports of the library are lazy: importing it takes seconds."""

    package: ClassVar[str] = "adapters"
    versions: ClassVar[str] = REQUIRED["adapters"]

    def load(self) -> None:
        """Import the library with the mixins of all model types; the rest comes with each model."""
        from adapters import init  # noqa: F401 - lazily, with all that it needs

    def check_method(self, config: str) -> None:
        """Raise UsageError for an unknown method or argument, with the nearest names."""
        from adapters.configuration import ADAPTER_CONFIG_MAP

        try:
            self.configuration(config)
        except Exception as error:
            raise LibraryRefusal(
                f"{config!r} is not an adapter configuration",
                why=str(error).splitlines()[0] if str(error) else type(error).__name__,
                do=_suggestion(config, ADAPTER_CONFIG_MAP),
            ) from error

    def picks_layers(self, config: str) -> bool:
        """Whether a configuration treats some layers otherwise than others, by their numbers."""
        return _picks_layers(self.configuration(config).to_dict())

    def prepare(self, model: Any) -> None:
        """`adapters.init`, unless the model has adapters already."""
        import adapters

        if not isinstance(model, adapters.ModelAdaptersMixin):
            adapters.init(model)

    def add(self, model: Any, methods: Mapping[str, str], tree: Node) -> None:
        """Add adapters, shared parameters of multi-task adapters, and fusion layers.

        Raises LibraryRefusal for a block that the installed release does not have.
        """
        self.block(tree)
        for name, config in methods.items():
            model.add_adapter(name, config=self.configuration(config))
        for block in walk(tree):
            if block.kind == "multitask":
                self._share(model, block)
            if block.kind == "fuse":
                fusion = self.block(block)
                if fusion.name not in model.adapters_config.fusions:
                    model.add_adapter_fusion(fusion)

    def activate(self, model: Any, tree: Node | None, skip_layers: tuple[int, ...] | None = None) -> None:
        """`set_active_adapters`, which validates the composition for the model type."""
        block = None if tree is None else self.block(tree)
        model.set_active_adapters(block, skip_layers=list(skip_layers) if skip_layers else None)

    def start_training(self, model: Any, tree: Node) -> None:
        """`train_adapter`, or `train_adapter_fusion` with the adapters unfrozen."""
        if any(b.kind == "fuse" for b in walk(tree)):
            model.train_adapter_fusion(self.block(tree), unfreeze_adapters=True)
        else:
            model.train_adapter(self.block(tree))

    def block(self, tree: Node) -> Any:
        """Our tree as a block of `adapters.composition`."""
        from adapters import composition

        if isinstance(tree, str):
            return tree
        options: dict[str, Any] = {}
        if tree.numbers is not None:
            exact = tree.kind == "average"
            options[NUMBERED[tree.kind]] = [n if exact else int(n) for n in tree.numbers]
        block_class = getattr(composition, KINDS[tree.kind], None)
        if block_class is None:
            raise LibraryRefusal(
                f"the installed adapters release has no {KINDS[tree.kind]}", do="upgrade adapters"
            )
        return block_class(*(self.block(c) for c in tree.children), **options)

    def tree(self, block: Any) -> Node:
        """A block of `adapters.composition` as our tree (inverse of `block`)."""
        if isinstance(block, str):
            return block
        kind = type(block).__name__.lower()
        numbers = getattr(block, NUMBERED[kind]) if kind in NUMBERED else None
        return Block(
            kind,
            tuple(self.tree(c) for c in block.children),
            tuple(float(n) for n in numbers) if numbers is not None else None,
        )

    def parameters(self, model: Any, adapter: str) -> Iterator[tuple[str, Any]]:
        """All parameters that `adapter` owns: every method keeps them in a ModuleDict under its name."""
        for path, module in self._modules(model, adapter):
            for name, parameter in module.named_parameters():
                yield f"{path}.{name}", parameter

    def _modules(self, model: Any, name: str) -> Iterator[tuple[str, Any]]:
        """Modules of an adapter or fusion, with their paths."""
        from torch.nn import ModuleDict

        for path, module in model.named_modules():
            if isinstance(module, ModuleDict) and name in module:
                yield f"{path}.{name}", module[name]

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
        try:
            for copy in copies:
                self._copy(model, adapter, copy, model.adapters_config.get(adapter))
            model.add_adapter_fusion(fusion)
            for _, layer in self._modules(model, fusion.name):
                if getattr(layer, "value", None) is not None:
                    layer.value.weight.data = _identity_like(layer.value.weight)
            yield tree
        finally:
            if fusion.name in model.adapters_config.fusions:
                model.delete_adapter_fusion(fusion)
            for copy in copies:
                model.delete_adapter(copy)

    @contextmanager
    def attending(self, model: Any, fuse: Block, child: int) -> Iterator[None]:
        """A Fuse of adapters attends to one of them only, and hands its values on as they are.

        Raises LookupError where some layer has not all of the adapters: nobody can attend to a missing one.
        """
        places = {
            name: {p.rpartition(".")[0] for p, _ in self._modules(model, str(name))} for name in fuse.children
        }
        if len({frozenset(found) for found in places.values()}) > 1:
            raise LookupError(str(fuse))
        fusion = self.block(fuse)
        layers = [layer for _, layer in self._modules(model, fusion.name) if hasattr(layer, "query")]
        hooks = [layer.query.register_forward_hook(_ones) for layer in layers]
        hooks += [layer.key.register_forward_hook(partial(_only, child)) for layer in layers]
        values = [layer.value.weight for layer in layers]
        trained = [weight.data for weight in values]
        try:
            for weight in values:
                weight.data = _identity_like(weight)
            yield
        finally:
            for weight, data in zip(values, trained, strict=True):
                weight.data = data
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
        module = next((m for _, m in self._modules(model, adapter) if hasattr(m, "scaling")), None)
        if module is None:
            raise LookupError(adapter)
        return module

    def supported(self, model: Any) -> tuple[str, ...]:
        """Names of the library's table that `supports_adapter` (since 1.2) is true for, the current ones."""
        from adapters.configuration import ADAPTER_CONFIG_MAP

        asked = getattr(model, "supports_adapter", None)
        if asked is None:
            return ()
        current = {str(config): name for name, config in ADAPTER_CONFIG_MAP.items() if asked(config)}
        return tuple(sorted(current.values()))

    def activity(self, model: Any, names: tuple[str, ...]) -> tuple[Activity, ...]:
        """One row per adapter layer that has modules of any of `names`."""
        from adapters.methods.adapter_layer_base import AdapterLayerBase

        rows = []
        for path, module in model.named_modules():
            if not isinstance(module, AdapterLayerBase):
                continue
            own = tuple(n for n in names if n in getattr(module, module.adapter_modules_name, {}))
            if own:
                rows.append(
                    Activity(module=path, layer=module.layer_idx, method=_method(module), adapters=own)
                )
        return tuple(rows)

    def _share(self, model: Any, block: Block) -> None:
        """Multi-task methods are meant to share their down projections (MTL-LoRA, arXiv 2410.09437)."""
        from adapters.configuration.adapter_config import MultiTaskConfig

        names = [c for c in block.children if isinstance(c, str)]
        if len(names) > 1 and all(isinstance(model.adapters_config.get(n), MultiTaskConfig) for n in names):
            model.share_parameters(names)

    def _resolved(self, config: str) -> str:
        """A saved adapter's directory stands for the configuration in it."""
        saved = Path(config) / "adapter_config.json"
        return str(saved) if "[" not in config and saved.is_file() else config

    def configuration(self, config: str) -> Any:
        """The library's object for a configuration string or a saved adapter's directory."""
        from adapters import AdapterConfig

        return AdapterConfig.load(self._resolved(config), download_kwargs=_NO_DOWNLOAD)


def _picks_layers(fields: Mapping[str, Any]) -> bool:
    if fields.get("leave_out") or fields.get("layers", "all") != "all":
        return True
    if isinstance(fields.get("reduction_factor"), Mapping):
        return True
    return any(_picks_layers(part) for part in fields.get("configs", ()))


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


def _method(module: Any) -> str:
    name = type(module).__name__
    for suffix in ("WithAdapters", "Layer", "AdaptersMixin"):
        name = name.removesuffix(suffix)
    return str(module.adapter_modules_name).rstrip("s") or name


def _suggestion(config: str, known: Mapping[str, Any]) -> str:
    for part in config.split("|"):
        name, _, arguments = part.strip().partition("[")
        if name not in known:
            near = get_close_matches(name, known, 3, 0.5)
            return f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(sorted(known))}"
        if arguments:
            return f"arguments of {name}: {', '.join(_argument_names(known[name]))}"
    return f"known: {', '.join(sorted(known))}"


def _argument_names(config: Any) -> list[str]:
    return sorted(f.name for f in fields(config)) if hasattr(config, "__dataclass_fields__") else []


def quiet() -> None:
    """Silence the libraries' own advice: references run without active adapters on purpose."""
    import adapters  # noqa: F401 - both set their levels when they are imported
    import transformers

    if transformers.logging.get_verbosity() != logging.ERROR:  # to set it makes all loggers forget theirs
        transformers.logging.set_verbosity_error()
    if logging.getLogger("adapters").level != logging.ERROR:
        logging.getLogger("adapters").setLevel(logging.ERROR)
