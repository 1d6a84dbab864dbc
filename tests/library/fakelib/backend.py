"""`Library` for fakelib."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar

from adapter_audit.auditor.errors import LibraryRefusal
from adapter_audit.auditor.library.library import SilentTables
from adapter_audit.auditor.schema.composition import Block, Node, as_block
from adapter_audit.auditor.schema.references import Reference
from adapter_audit.auditor.schema.result import Activity
from adapter_audit.auditor.source.package_source import PackageSource


class FakeLibrary:
    """Linear adapters; one at a time, or several side by side."""

    package: ClassVar[str] = "fakelib"
    releases: ClassVar[Mapping[str, str]] = {"torch": ">=2.4"}
    extra: ClassVar[str] = "fake"
    blocks: ClassVar[Mapping[str, str]] = {"stack": "One", "parallel": "Lanes"}
    alone: ClassVar[str] = "stack"
    skips_layers: ClassVar[bool] = False
    changes_classes: ClassVar[bool] = True
    single_precision: ClassVar[bool] = False
    default_config: ClassVar[str] = "linear"
    adds_in_parts: ClassVar[bool] = False
    generates_with_cache: ClassVar[bool] = True
    source: ClassVar[PackageSource] = PackageSource("fakelib")
    tables: ClassVar[SilentTables] = SilentTables()
    heads: ClassVar[None] = None

    def load(self) -> None:
        import fakelib.models  # noqa: F401

    def quiet(self) -> None:
        pass  # it says nothing

    def owns(self, model: Any) -> bool:
        return hasattr(model, "fake_active")

    def check_config(self, config: str) -> None:
        if config != "linear":
            raise LibraryRefusal(f"{config!r} is not an adapter configuration", do="known: linear")

    def check_method(self, config: str) -> None:
        self.check_config(config)

    def configuration(self, config: str) -> Any:
        return config

    def picks_layers(self, config: str) -> bool:
        return False

    def block(self, tree: Node) -> tuple[str, ...]:
        block = as_block(tree)
        if block.kind not in self.blocks or not all(isinstance(c, str) for c in block.children):
            raise ValueError(f"fakelib cannot run {tree}")
        if block.kind == "stack" and len(block.children) > 1:
            raise ValueError("fakelib runs one adapter for a row")
        return tuple(str(c) for c in block.children)

    def tree(self, block: Any) -> Node:
        return Block("parallel" if len(block) > 1 else "stack", tuple(block))

    def python(self, tree: Node, *, package: str = "ac.") -> str:
        return repr(self.block(tree))

    def one_after_the_other(self, parts: Sequence[Reference], *, whole: bool) -> str:
        return f"for name in {[self.block(part.tree)[0] for part in parts]}:\n    ...\n"

    def prepare(self, model: Any) -> Any:
        model.fake_active = ()
        return model

    def base(self, model: Any) -> Any:
        return model

    def told_in(self, inputs: Mapping[str, Any]) -> Node | None:
        return None

    def call_arguments(self, tree: Node | None) -> Mapping[str, Any]:
        return {}

    def add(self, model: Any, methods: Mapping[str, str], tree: Node) -> Any:
        from torch import nn

        from fakelib.models import WIDTH

        for layer in model.layers:
            for name in methods:
                layer.adapters[name] = nn.Linear(WIDTH, WIDTH)
        return model

    def has_adapter(self, model: Any, name: str) -> bool:
        return any(name in layer.adapters for layer in model.layers)

    def activate(self, model: Any, tree: Node | None, skip_layers: tuple[int, ...] | None = None) -> None:
        model.fake_active = () if tree is None else self.block(tree)
        for layer in model.layers:
            layer.active = model.fake_active

    def active(self, model: Any) -> Any:
        return model.fake_active or None

    def description(self, model: Any, adapter: str) -> str:
        raise LookupError(adapter)

    def outside_contexts(self) -> AbstractContextManager[None]:
        return nullcontext()

    def skipped_layers(self, model: Any) -> tuple[int, ...]:
        return ()

    def start_training(self, model: Any, tree: Node) -> None:
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(".adapters." in name)

    def parameters(self, model: Any, adapter: str) -> Iterator[tuple[str, Any]]:
        for name, parameter in model.named_parameters():
            if f".adapters.{adapter}." in name:
                yield name, parameter

    def deviation(self, model: Any, adapter: str) -> float | None:
        return None

    def supported(self, model: Any) -> tuple[str, ...]:
        return ("linear",)

    def activity(self, model: Any, names: tuple[str, ...]) -> tuple[Activity, ...]:
        return tuple(
            Activity(module=f"layers.{n}", layer=n, method="linear", adapters=names)
            for n in range(len(model.layers))
        )
