"""Other calls of the library with the same meaning: each is another `Library`, named in a request.

A variant does itself what a user would paste; then the audit runs as always.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ...library.adapters.adapters_library import AdaptersLibrary
from ...library.adapters.pasted_code import times_number
from ...library.library import Library
from ...schema.composition import Block, Node, adapter_names, walk
from .restored_modules import Restored


class TimesNumber(AdaptersLibrary):
    """Sets every Average up with weights that are N times as large."""

    def block(self, tree: Node) -> Any:
        """The library's block, with other weights where it is an Average."""
        block = super().block(tree)
        if isinstance(tree, Block) and tree.kind == "average":
            block.weights = list(times_number(tree.numbers, len(tree.children)))
        return block


class NamedTraining(AdaptersLibrary):
    """Names all adapters to train in one Stack; the composition is made active afterwards."""

    def start_training(self, model: Any, tree: Node) -> None:
        """Without the blocks that `train_adapter` cannot look up."""
        if any(b.kind == "fuse" for b in walk(tree)):
            super().start_training(model, tree)
        else:
            super().start_training(model, Block("stack", adapter_names(tree)))


class ZeroAdded(AdaptersLibrary):
    """Sets parameters to zero that `adapters.init` adds to the model's own modules."""

    def prepare(self, model: Any) -> Any:
        """Fresh parameters of wrapped modules are not those of the checkpoint."""
        own = {name for name, _ in model.named_parameters()}
        super().prepare(model)
        for name, parameter in model.named_parameters():
            if name not in own:
                parameter.data.zero_()
        return model


class NoCache(AdaptersLibrary):
    """Generates without a cache."""

    generates_with_cache: ClassVar[bool] = False


VARIANTS: Mapping[str, type[AdaptersLibrary]] = {
    "no-cache": NoCache,
    "times-number": TimesNumber,
    "named-training": NamedTraining,
    "zero-added": ZeroAdded,
    "restored": Restored,
}


def variant(library: Library, names: Sequence[str]) -> Library:
    """The library told in all of these ways; itself for none."""
    bases = tuple(VARIANTS[name] for name in names)
    if not bases:
        return library
    combined: Library = type("".join(base.__name__ for base in bases), bases, {})()
    return combined
