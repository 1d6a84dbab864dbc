"""What the auditor does with `adapters`: configurations, blocks, set-ups, and which parts are whose."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar

from ...errors import LibraryRefusal
from ...schema.composition import NUMBERED, Block, Node, adapter_names, walk
from ...schema.references import Reference
from ...schema.result import Activity
from ...source.package_source import PackageSource
from .adapters_source import SOURCE
from .block_names import BLOCKS
from .experiments import AdapterExperiments
from .flexible_heads import AdaptersHeads
from .method_check import check_config
from .pasted_code import one_after_the_other, python
from .support_tables import AdaptersTables

_NO_DOWNLOAD = {"try_loading_from_hub": False}
"""Releases before 1.0 ask AdapterHub for its index before they read what stands in brackets."""


FUSION_CONFIG = "config"
"""The option of a Fuse that is told when its layers are added."""
SUMS_TO_ONE = 1e-9
"""Weights that were divided by their sum miss one by less."""


class AdaptersLibrary(AdapterExperiments):
    """See `library.Library`. All imports of `adapters` are lazy: importing it takes seconds."""

    package: ClassVar[str] = SOURCE.name
    releases: ClassVar[Mapping[str, str]] = {
        "torch": ">=2.4",
        "transformers": ">=4.39,<5",
        "adapters": ">=0.2,<2",
    }
    extra: ClassVar[str] = "models"
    blocks: ClassVar[Mapping[str, str]] = BLOCKS
    alone: ClassVar[str] = "stack"
    skips_layers: ClassVar[bool] = True
    changes_classes: ClassVar[bool] = True
    single_precision: ClassVar[bool] = False
    default_config: ClassVar[str] = "lora"
    adds_in_parts: ClassVar[bool] = True
    generates_with_cache: ClassVar[bool] = True
    source: ClassVar[PackageSource] = SOURCE
    tables: ClassVar[AdaptersTables] = AdaptersTables()
    heads: ClassVar[AdaptersHeads] = AdaptersHeads()

    def load(self) -> None:
        """Import the library with the mixins of all model types; the rest comes with each model."""
        from adapters import init  # noqa: F401 - lazily, with all that it needs

    def quiet(self) -> None:
        """Both libraries set the levels of their loggers when they are imported."""
        import adapters  # noqa: F401
        import transformers

        if transformers.logging.get_verbosity() != logging.ERROR:  # to set it makes all loggers forget theirs
            transformers.logging.set_verbosity_error()
        if logging.getLogger("adapters").level != logging.ERROR:
            logging.getLogger("adapters").setLevel(logging.ERROR)

    def owns(self, model: Any) -> bool:
        """Whether `adapters.init` was called on the model, or it is a model class of the library."""
        return hasattr(model, "adapters_config") and hasattr(model, "active_adapters")

    def check_config(self, config: str) -> None:
        """See `method_check`."""
        check_config(config)

    def check_method(self, config: str) -> None:
        """Raise LibraryRefusal for an unknown method or argument, with the nearest names."""
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

    def prepare(self, model: Any) -> Any:
        """`adapters.init`, unless the model has adapters already."""
        import adapters

        if not isinstance(model, adapters.ModelAdaptersMixin):
            adapters.init(model)
        return model

    def base(self, model: Any) -> Any:
        """The model itself: its own modules take the adapters."""
        return model

    def told_in(self, inputs: Mapping[str, Any]) -> Node | None:
        """None: the composition is set on the model."""
        return None

    def call_arguments(self, tree: Node | None) -> Mapping[str, Any]:
        """None: the composition is set on the model."""
        return {}

    def add(self, model: Any, methods: Mapping[str, str], tree: Node) -> Any:
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
                self._fuse(model, block)
        return model

    def has_adapter(self, model: Any, name: str) -> bool:
        """Whether the model's own list has an adapter of this name."""
        config = getattr(model, "adapters_config", None)
        return config is not None and name in config

    def active(self, model: Any) -> Any:
        """The set-up of the innermost `AdapterSetup` context, else `active_adapters`; None without any."""
        from adapters import AdapterSetup

        found = AdapterSetup.get_context_adapter_setup() or getattr(model, "active_adapters", None)
        return None if callable(found) else found

    def description(self, model: Any, adapter: str) -> str:
        """`lora[r=4]` and the like, joined by `|`. Raises LookupError where no text says all of it."""
        from adapters import ADAPTER_CONFIG_MAP

        config = model.adapters_config.get(adapter)
        text = "|".join(
            _text_of(part, ADAPTER_CONFIG_MAP) for part in getattr(config, "configs", None) or (config,)
        )
        try:
            alike = self.configuration(text).to_dict() == config.to_dict()
        except (ValueError, TypeError, AttributeError) as error:
            raise LookupError(adapter) from error
        if not alike:
            raise LookupError(adapter)
        return text

    @contextmanager
    def outside_contexts(self) -> Iterator[None]:
        """Without the `AdapterSetup` contexts that the caller's code stands in."""
        from adapters import AdapterSetup

        contexts = AdapterSetup.get_contexts()
        entered = list(contexts)
        contexts.clear()
        try:
            yield
        finally:
            contexts[:] = entered

    def skipped_layers(self, model: Any) -> tuple[int, ...]:
        """As `set_active_adapters` was told."""
        return tuple(getattr(model.adapters_config, "skip_layers", None) or ())

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
        options: dict[str, Any] = {n: v for n, v in tree.options if n != FUSION_CONFIG}
        if tree.numbers is not None:
            exact = tree.kind == "average"
            options[NUMBERED[tree.kind]] = [n if exact else int(n) for n in tree.numbers]
        name = BLOCKS[tree.kind]
        block_class = getattr(composition, name, None)
        if block_class is None:
            raise LibraryRefusal(f"the installed adapters release has no {name}", do="upgrade adapters")
        taken = inspect.signature(block_class).parameters
        for option in options.keys() - taken.keys():
            why = f"{name} has no option {option!r} in the installed adapters release"
            raise LibraryRefusal(why, do="upgrade adapters")
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
            tuple(_options_of(kind, block)),
        )

    def python(self, tree: Node, *, package: str = "ac.") -> str:
        """See `pasted_code`."""
        return python(tree, package=package)

    def one_after_the_other(self, parts: Sequence[Reference], *, whole: bool) -> str:
        """See `pasted_code`."""
        return one_after_the_other(parts, whole=whole)

    def deviation(self, model: Any, adapter: str) -> float | None:
        """All methods are made of projections and scales."""
        return None

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

    def _fuse(self, model: Any, block: Block) -> None:
        """Fusion layers of the last adapter of each child, as the library's documentation adds them."""
        if self.block(block).name not in model.adapters_config.fusions:
            last = [adapter_names(child)[-1] for child in block.children]
            named = {"name": block.option("name")} if block.option("name") else {}
            model.add_adapter_fusion(last, config=block.option(FUSION_CONFIG), **named)

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


def _options_of(kind: str, block: Any) -> Iterator[tuple[str, str | bool]]:
    """What its children and numbers do not say of a block."""
    if kind == "fuse" and getattr(block, "_name", None):
        yield "name", str(block._name)
    if kind == "average" and abs(sum(block.weights) - 1) > SUMS_TO_ONE:
        yield "normalize_weights", False


def _picks_layers(fields: Mapping[str, Any]) -> bool:
    if fields.get("leave_out") or fields.get("layers", "all") != "all":
        return True
    if isinstance(fields.get("reduction_factor"), Mapping):
        return True
    return any(_picks_layers(part) for part in fields.get("configs", ()))


def _method(module: Any) -> str:
    name = type(module).__name__
    for suffix in ("WithAdapters", "Layer", "AdaptersMixin"):
        name = name.removesuffix(suffix)
    return str(module.adapter_modules_name).rstrip("s") or name


def _text_of(config: Any, known: Mapping[str, Any]) -> str:
    """A configuration as its name and the fields in which it differs from what that name stands for.

    Raises LookupError where there is no such name.
    """
    mine = config.to_dict()
    texts = []
    for name, named in reversed(list(known.items())):  # the later name of two is the current one
        theirs = named.to_dict()
        if theirs.get("architecture") == mine.get("architecture") and mine.keys() <= theirs.keys():
            changed = [f"{k}={v!r}" for k, v in mine.items() if theirs[k] != v]
            texts.append((len(changed), f"{name}[{','.join(changed)}]" if changed else name))
    if not texts:
        raise LookupError(type(config).__name__)
    return min(texts, key=lambda pair: pair[0])[1]


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
