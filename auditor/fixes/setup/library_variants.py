"""Other calls of the library with the same meaning, as set-ups use them; by name, so that a child can.

A way replaces what the audit does itself by what a user would paste; then the audit runs as always.
`use` is for processes that are thrown away: what it replaces stays replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ...build import subject as build
from ...library.adapters_library import AdaptersBackend
from ...library.composition_code import times_number
from ...schema.composition import Block, Node, adapter_names, walk
from ...trace import runs
from .restored_modules import Restored


class TimesNumber(AdaptersBackend):
    """Sets every Average up with weights that are N times as large."""

    def block(self, tree: Node) -> Any:
        """The library's block, with other weights where it is an Average."""
        block = super().block(tree)
        if isinstance(tree, Block) and tree.kind == "average":
            block.weights = list(times_number(tree.numbers, len(tree.children)))
        return block


class NamedFusion(AdaptersBackend):
    """Adds fusion layers by the names of adapters: the last one of each child."""

    def add(self, model: Any, methods: Mapping[str, str], tree: Node) -> None:
        """Fusion layers first, so that nothing is left to do for the blocks."""
        super().add(model, methods, "")
        for block in walk(tree):
            if block.kind == "fuse":
                model.add_adapter_fusion(self.block(block).name.split(","))
        super().add(model, {}, tree)


class NamedTraining(AdaptersBackend):
    """Names all adapters to train in one Stack; the composition is made active afterwards."""

    def start_training(self, model: Any, tree: Node) -> None:
        """Without the blocks that `train_adapter` cannot look up."""
        if any(b.kind == "fuse" for b in walk(tree)):
            super().start_training(model, tree)
        else:
            super().start_training(model, Block("stack", adapter_names(tree)))


class ZeroAdded(AdaptersBackend):
    """Sets parameters to zero that `adapters.init` adds to the model's own modules."""

    def prepare(self, model: Any) -> None:
        """Fresh parameters of wrapped modules are not those of the checkpoint."""
        own = {name for name, _ in model.named_parameters()}
        super().prepare(model)
        for name, parameter in model.named_parameters():
            if name not in own:
                parameter.data.zero_()


BACKENDS: Mapping[str, type[AdaptersBackend]] = {
    "times-number": TimesNumber,
    "named-fusion": NamedFusion,
    "named-training": NamedTraining,
    "zero-added": ZeroAdded,
    "restored": Restored,
}


def use(names: Iterable[str]) -> None:
    """Do it these ways from now on, in this process and its children."""
    chosen = list(names)
    if "no-cache" in chosen:
        vars(runs)["_generate"] = _without_cache(runs._generate)
    bases = tuple(BACKENDS[name] for name in chosen if name in BACKENDS)
    if bases:
        vars(build)["AdaptersBackend"] = type("ChosenBackend", bases, {})


def _without_cache(generate: Callable[..., Any]) -> Callable[..., Any]:
    def run(model: Any, inputs: Any, beams: int, use_cache: bool) -> Any:
        del use_cache
        return generate(model, inputs, beams, False)

    return run
