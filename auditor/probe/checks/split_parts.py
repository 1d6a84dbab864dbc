"""A Split, held to its adapters part by part, inside every adapter layer.

Attention mixes the parts of a sequence between layers, so that no output is that of one adapter. Within an
adapter layer nothing is mixed: what the layer makes of a part of its tokens is what the part's adapter alone
makes of these tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ...facts.observations import Departure, Observation
from ...schema.composition import Block, Node, adapter_names, as_block, replaced
from ..value_check import NotApplicable, ValueCheck

if TYPE_CHECKING:
    from ..measuring_bench import MeasuringBench


@dataclass(frozen=True, kw_only=True)
class SplitGap(Observation):
    """A part of a Split is not what its adapter alone makes of these tokens in a layer."""

    split: str
    adapters: tuple[str, ...]
    """Those of the part."""
    tokens: tuple[int, int]
    """The first token of the part, and the first one behind it."""
    module: str
    """Path of the layer."""
    deviation: float


class SplitParts(ValueCheck):
    """See the module's docstring."""

    name, order = "splits", 110
    yields = (SplitGap,)

    def observe(self, bench: MeasuringBench) -> Iterator[SplitGap]:
        """The first part that differs of each Split, if any."""
        bench.composed()
        trees = dict.fromkeys(r.tree for r in bench.references)
        asked = [(tree, split) for tree in trees for split in _outermost_splits(tree)]
        if not asked:
            raise NotApplicable
        for tree, split in asked:
            for part in bench.wrong_parts(tree, split):
                yield SplitGap(
                    split=str(split),
                    adapters=adapter_names(part.child),
                    tokens=part.tokens,
                    module=part.module,
                    deviation=part.deviation,
                    departure=_began(bench, tree, split, part.child),
                )


def _began(bench: MeasuringBench, tree: Node, split: Block, child: Node) -> Departure | None:
    """Where it begins: the child, given all tokens by the Split, against the child alone."""
    one = replace(split, numbers=tuple(sum(split.numbers or ()) * (c is child) for c in split.children))
    with_split, alone = as_block(replaced(tree, split, one)), as_block(replaced(tree, split, child))
    if bench.known(with_split).failure or bench.known(alone).failure:
        return None
    return bench.relation_departure(with_split, alone)


def _outermost_splits(tree: Node) -> Iterator[Block]:
    """Splits that are in no other: their parts are parts of the whole sequence."""
    if isinstance(tree, str):
        return
    if tree.kind == "split" and tree.numbers is not None:
        yield tree
        return
    for child in tree.children:
        yield from _outermost_splits(child)
