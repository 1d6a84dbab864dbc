"""Parts of a Split, looked at while a composition runs: each layer is asked for the whole and for the part.

It is asked on the states it has then.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from typing import Any, NamedTuple

import torch

from ..schema.composition import Block, Node, adapter_names, replaced
from .bench import Bench
from .precision import deviation

Compose = Callable[[Node, Any], Any]


class WrongPart(NamedTuple):
    """A part of a Split that is not its child's."""

    child: Node
    tokens: tuple[int, int]
    """The first token of the part, and the first one behind it."""
    module: str
    """Path of the layer."""
    deviation: float


def wrong_parts(bench: Bench, tree: Node, split: Block) -> list[WrongPart]:
    """The first part that is wrong, in the first layer where one is."""
    watch = _Watch(bench.tolerance, tree, split)
    with bench.tries_blocks().composing(bench.model, watch):
        ran = bench.run(tree)
    if ran.failure is not None:
        bench.leave_open(bench.stopped(tree, ran))
    elif not watch.asked:
        bench.leave_open(f"no layer has a token for each of {split}")
    return watch.found


class _Watch:
    """Compares the parts in each layer that runs; keeps the first part that differs, and whose it is."""

    def __init__(self, tolerance: float, tree: Node, split: Block) -> None:
        self.tolerance, self.tree, self.split = tolerance, tree, split
        self.around = [n for n in adapter_names(tree) if n not in adapter_names(split)]
        self.found: list[WrongPart] = []
        self.asked = False
        """Whether any layer was looked at."""

    def __call__(self, path: str, state: Any, result: Any, compose: Compose) -> None:
        """After a layer's composition of the whole sequence."""
        tokens = int(sum(self.split.numbers or ()))
        if self.found or state[0].dim() < 2 or state[0].shape[1] != tokens:
            return
        self.asked = True
        ends = [int(n) for n in accumulate(self.split.numbers or (), initial=0)]
        for child, start, end in zip(self.split.children, ends, ends[1:], strict=False):
            part = _tokens(state, start, end, tokens)
            if start == end or not self._acts_by_token(state, part, slice(start, end), compose):
                continue
            alone = compose(replaced(self.tree, self.split, child), part)[0]
            amount = deviation(result[0][:, start:end], alone)
            if amount > self.tolerance:
                self.found.append(WrongPart(child, (start, end), path, amount))
                return

    def _acts_by_token(self, state: Any, part: Any, where: slice, compose: Compose) -> bool:
        """Whether the adapters around the Split, which see all tokens, treat each by itself."""
        return all(
            deviation(compose(name, state)[0][:, where], compose(name, part)[0]) <= self.tolerance
            for name in self.around
        )


def _tokens(state: Any, start: int, end: int, tokens: int) -> Any:
    """The same state for some of the tokens (axis 1)."""
    changed = {
        name: value[:, start:end]
        for name, value in state._asdict().items()
        if isinstance(value, torch.Tensor) and value.dim() > 1 and value.shape[1] == tokens
    }
    return state._replace(**changed)
