"""A Split, held to its adapters part by part, inside every adapter layer.

Attention mixes the parts of a sequence between layers, so that no output is that of one adapter. Within an
adapter layer nothing is mixed: what the layer makes of a part of its tokens is what the part's adapter alone
makes of these tokens. The layer is asked for both while the composition runs, on the states it has then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import accumulate
from typing import Any

import torch

from ...facts.facts import Departure, Discrepancy
from ...schema.composition import Block, Node, adapter_names, as_block
from ..bench import Bench, NotApplicable
from ..cause.first_departure import relation_departure
from ..precision import deviation
from .neutrality import replaced

Compose = Callable[[Node, Any], Any]


def check_splits(bench: Bench) -> list[Discrepancy]:
    """Every part of a Split is what its adapter alone gives on these tokens, in every layer."""
    bench.composed()
    trees = dict.fromkeys(r.tree for r in bench.references)
    found: list[Discrepancy] = []
    asked = [(tree, split) for tree in trees for split in _outermost_splits(tree)]
    if not asked:
        raise NotApplicable
    for tree, split in asked:
        watch = _Watch(bench, tree, split)
        with bench.library.composing(bench.model, watch):
            bench.run(tree)
        found += [replace(item, departure=_began(bench, tree, split, child)) for child, item in watch.found]
    return found


def _began(bench: Bench, tree: Node, split: Block, child: Node) -> Departure | None:
    """Where it begins: the child, given all tokens by the Split, against the child alone."""
    one = replace(split, numbers=tuple(sum(split.numbers or ()) * (c is child) for c in split.children))
    with_split, alone = as_block(replaced(tree, split, one)), as_block(replaced(tree, split, child))
    if bench.known(with_split).failure or bench.known(alone).failure:
        return None
    return relation_departure(bench, with_split, alone)


def _outermost_splits(tree: Node) -> Iterator[Block]:
    """Splits that are in no other: their parts are parts of the whole sequence."""
    if isinstance(tree, str):
        return
    if tree.kind == "split" and tree.numbers is not None:
        yield tree
        return
    for child in tree.children:
        yield from _outermost_splits(child)


class _Watch:
    """Compares the parts in each layer that runs; keeps the first part that differs, and whose it is."""

    def __init__(self, bench: Bench, tree: Node, split: Block) -> None:
        self.tolerance, self.tree, self.split = bench.tolerance, tree, split
        self.around = [n for n in adapter_names(tree) if n not in adapter_names(split)]
        self.found: list[tuple[Node, Discrepancy]] = []

    def __call__(self, path: str, state: Any, result: Any, compose: Compose) -> None:
        """After a layer's composition of the whole sequence."""
        tokens = int(sum(self.split.numbers or ()))
        if self.found or state[0].dim() < 2 or state[0].shape[1] != tokens:
            return
        ends = [int(n) for n in accumulate(self.split.numbers or (), initial=0)]
        for child, start, end in zip(self.split.children, ends, ends[1:], strict=False):
            part = _tokens(state, start, end, tokens)
            if start == end or not self._acts_by_token(state, part, slice(start, end), compose):
                continue
            alone = compose(replaced(self.tree, self.split, child), part)[0]
            amount = deviation(result[0][:, start:end], alone)
            if amount > self.tolerance:
                self.found.append((child, self._discrepancy(path, child, start, end, amount)))
                return

    def _acts_by_token(self, state: Any, part: Any, where: slice, compose: Compose) -> bool:
        """Whether the adapters around the Split, which see all tokens, treat each by itself."""
        return all(
            deviation(compose(name, state)[0][:, where], compose(name, part)[0]) <= self.tolerance
            for name in self.around
        )

    def _discrepancy(self, path: str, child: Node, start: int, end: int, amount: float) -> Discrepancy:
        who = "+".join(adapter_names(child))
        subject = f"tokens {start} to {end - 1} of {self.split}, which belong to {who},"
        return Discrepancy(check="split", subject=subject, output=path, deviation=amount)


def _tokens(state: Any, start: int, end: int, tokens: int) -> Any:
    """The same state for some of the tokens (axis 1)."""
    changed = {
        name: value[:, start:end]
        for name, value in state._asdict().items()
        if isinstance(value, torch.Tensor) and value.dim() > 1 and value.shape[1] == tokens
    }
    return state._replace(**changed)
