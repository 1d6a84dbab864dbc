"""What the auditor does with `peft`: configurations, compositions, and which parts are whose."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import groupby
from types import CodeType
from typing import Any, ClassVar

from ...errors import LibraryRefusal
from ...knowledge.library_names import PEFT
from ...schema.composition import BASE, Block, Node, walk
from ...schema.history import Step
from ...schema.references import Reference
from ...schema.result import Activity
from ...source.package_source import PackageSource
from ..library import SilentTables, SupportTables
from ..prediction_heads import PredictionHeads
from . import adapter_parts, histories, pasted_calls
from .combinations import arguments, combined_name
from .configuration_check import check_config
from .configurations import configuration, picks_layers, text_of, with_task
from .pasted_calls import name_of
from .peft_source import SOURCE
from .switching import Switch

CALL = "adapter_names"
"""The keyword of a call that says which row has which adapter."""
INSIDE = {"mixed": ("weighted",), "active": ("weighted",), "weighted": ("weighted",)}
"""Kind of block -> kinds that may be inside: those that are an adapter to the library."""


class PeftLibrary:
    """See `library.Library`. All imports of `peft` are lazy."""

    package: ClassVar[str] = SOURCE.name
    releases: ClassVar[Mapping[str, str]] = {
        "torch": ">=2.4",
        "transformers": ">=4.40,<6",
        "peft": ">=0.13,<1",
    }
    extra: ClassVar[str] = "peft"
    blocks: ClassVar[Mapping[str, str]] = {
        "mixed": "adapter_names",
        "active": "set_adapter",
        "weighted": "add_weighted_adapter",
    }
    alone: ClassVar[str] = "active"
    skips_layers: ClassVar[bool] = False
    changes_classes: ClassVar[bool] = False
    single_precision: ClassVar[bool] = True
    default_config: ClassVar[str] = "lora"
    adds_in_parts: ClassVar[bool] = False  # a `weighted` is an adapter of its own
    generates_with_cache: ClassVar[bool] = True
    source: ClassVar[PackageSource] = SOURCE
    tables: ClassVar[SupportTables] = SilentTables()
    heads: ClassVar[PredictionHeads | None] = None

    def load(self) -> None:
        """Import the library; it imports transformers."""
        import peft  # noqa: F401

    def quiet(self) -> None:
        """Warnings are filtered by the audit; transformers logs."""
        import transformers

        if transformers.logging.get_verbosity() != logging.ERROR:
            transformers.logging.set_verbosity_error()

    def owns(self, model: Any) -> bool:
        """Whether it is a model of the library, or one of transformers with adapters of the library."""
        return bool(_configurations(model))

    # -- the language --------------------------------------------------------------------------------

    def check_config(self, config: str) -> None:
        """See `configuration_check`."""
        check_config(config)

    def check_method(self, config: str) -> None:
        """Raise LibraryRefusal for an unknown tuner or argument, or values that the library refuses."""
        check_config(config)
        try:
            configuration(config)
        except Exception as error:
            raise LibraryRefusal(
                f"{config!r} is not an adapter configuration",
                why=str(error).splitlines()[0] if str(error) else type(error).__name__,
            ) from error

    def configuration(self, config: str) -> Any:
        """See `configurations`."""
        return configuration(config)

    def picks_layers(self, config: str) -> bool:
        """See `configurations`."""
        return picks_layers(configuration(config))

    def tree(self, block: Any) -> Node:
        """Names of active adapters as our tree."""
        return Block(self.alone, tuple(block))

    def python(self, tree: Node) -> str:
        """See `pasted_calls`."""
        return pasted_calls.python(tree)

    def one_after_the_other(self, parts: Sequence[Reference], *, whole: bool) -> str:
        """See `pasted_calls`."""
        return pasted_calls.one_after_the_other(parts, whole=whole)

    # -- setting up ----------------------------------------------------------------------------------

    def prepare(self, model: Any) -> Any:
        """The model as it is: the library wraps it with its first adapter."""
        return model

    def base(self, model: Any) -> Any:
        """The model inside of the library's."""
        inside = getattr(model, "get_base_model", None)
        return model if inside is None else inside()

    def add(self, model: Any, methods: Mapping[str, str], tree: Node) -> Any:
        """`get_peft_model` with the first adapter, `add_adapter` for the others.

        Raises LibraryRefusal for blocks that cannot be inside of each other.
        """
        _check_nesting(tree)
        for name, config in methods.items():
            loaded = with_task(configuration(config), config, self.base(model))
            if self.owns(model):
                model.add_adapter(name, loaded)
            else:
                from peft import get_peft_model

                model = get_peft_model(model, loaded, adapter_name=name)
        return model

    def has_adapter(self, model: Any, name: str) -> bool:
        """Whether the model has a configuration of this name."""
        return name in _configurations(model)

    def activate(self, model: Any, tree: Node | None, skip_layers: tuple[int, ...] | None = None) -> None:
        """`set_adapter`, or `disable_adapter` for none; weighted combinations are made anew.

        Of a mixed batch, which is told in the call, its first adapter is set, as it is for a user who has
        added it first.
        """
        switch = Switch(model)
        names = _active_names(tree)
        switch.enable()
        for block in _inner_first(tree):
            switch.combine([name_of(c) for c in block.children], combined_name(block), arguments(block))
        if names:
            switch.choose(names)
        if not names and not _is_mixed(tree):
            switch.disable()

    def active(self, model: Any) -> Any:
        """Names of active adapters; None where there are none or they are disabled."""
        if Switch(model).is_disabled or not self.owns(model):
            return None
        found = getattr(model, "active_adapters", None)
        names = found() if callable(found) else found
        return ((names,) if isinstance(names, str) else tuple(names)) if names else None

    def description(self, model: Any, adapter: str) -> str:
        """See `configurations`."""
        return text_of(model.peft_config[adapter])

    def outside_contexts(self) -> AbstractContextManager[None]:
        """What is active is kept in the model, not in a context of the caller's."""
        return nullcontext()

    def skipped_layers(self, model: Any) -> tuple[int, ...]:
        """There is no such thing."""
        return ()

    def call_arguments(self, tree: Node | None) -> Mapping[str, Any]:
        """In a mixed batch, the adapter of each row."""
        if not isinstance(tree, Block) or not _is_mixed(tree):
            return {}
        counts = tree.numbers or (1.0,) * len(tree.children)
        pairs = zip(tree.children, counts, strict=True)
        return {CALL: [name_of(child) for child, count in pairs for _ in range(int(count))]}

    def told_in(self, inputs: Mapping[str, Any]) -> Node | None:
        """A mixed batch, where the call has the names of its rows' adapters."""
        names = inputs.get(CALL)
        if not names:
            return None
        groups = [(name, len(list(same))) for name, same in groupby(names)]
        return Block("mixed", tuple(name for name, _ in groups), tuple(float(count) for _, count in groups))

    def start_training(self, model: Any, tree: Node) -> None:
        """Nothing: to add and to set an adapter makes it trainable, and all else is frozen."""

    def step(self, model: Any, step: Step, fresh: Callable[[], Any]) -> Any:
        """See `histories`."""
        return histories.do(model, step, fresh)

    def code_of(self, model: Any, step: Step, module: str) -> CodeType | None:
        """See `histories`."""
        return histories.code_of(model, step, module)

    # -- asking --------------------------------------------------------------------------------------

    def parameters(self, model: Any, adapter: str) -> Iterator[tuple[str, Any]]:
        """See `adapter_parts`."""
        return adapter_parts.parameters(model, adapter)

    def deviation(self, model: Any, adapter: str) -> float | None:
        """By the tuner: some multiply their parameters by large or small numbers."""
        return PEFT.deviations.get(adapter_parts.tuner_of(model, adapter), PEFT.deviation)

    def supported(self, model: Any) -> tuple[str, ...]:
        """The library does not say which tuners a model takes."""
        return ()

    def activity(self, model: Any, names: tuple[str, ...]) -> tuple[Activity, ...]:
        """See `adapter_parts`."""
        return adapter_parts.activity(model, names)


def _configurations(model: Any) -> Mapping[str, Any]:
    found = getattr(model, "peft_config", None)
    return found if isinstance(found, Mapping) else {}


def _is_mixed(tree: Node | None) -> bool:
    return isinstance(tree, Block) and tree.kind == "mixed"


def _active_names(tree: Node | None) -> tuple[str, ...]:
    """What `set_adapter` is to be told; the first adapter of a mixed batch."""
    if tree is None or tree == BASE:
        return ()
    if isinstance(tree, str) or tree.kind == "weighted":
        return (name_of(tree),)
    names = tuple(name_of(child) for child in tree.children if child != BASE)
    return names[:1] if tree.kind == "mixed" else names


def _inner_first(tree: Node | None) -> list[Block]:
    """Weighted combinations, those that others are made of first."""
    blocks = list(walk(tree)) if tree is not None else []
    return [block for block in reversed(blocks) if block.kind == "weighted"]


def _check_nesting(tree: Node) -> None:
    for block in walk(tree):
        for child in block.children:
            if isinstance(child, Block) and child.kind not in INSIDE.get(block.kind, ()):
                raise LibraryRefusal(
                    f"{child.kind} cannot be inside of {block.kind}",
                    why="only adapters and weighted combinations of them can be",
                )
