"""Relations that hold for blocks without a row-wise reference: what must change nothing, changes nothing.

- A weighted combination with all weight on one adapter is that adapter.
- An Average or Split of one and the same child is that child; so is one with all weight or tokens on it.
- A Fuse of one and the same adapter is that adapter, whatever its attention looks like, when its values are
  handed on: attention weights sum up to one. So is a Fuse that attends to one of its adapters only. That is
  asked of adapters, not of stacks in a Fuse: the library means to fuse what the last adapter of each adds.
- A block of one child is the child, wherever it stands: `Parallel(Stack(a), Stack(b))` is `Parallel(a, b)`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from ...facts.observations import OutputGap
from ...schema.composition import Block, Node, adapter_names, as_block, replaced, unnested, walk
from ..value_check import NotApplicable, ValueCheck

if TYPE_CHECKING:
    from ..bench import Ran
    from ..measuring_bench import MeasuringBench


SUMS_TO_ONE = 1e-9


class Relation(str, Enum):
    """What makes a block do nothing."""

    EQUAL = "equal adapters"
    ONE_SIDED = "all on one adapter"
    """All weight of an Average, all tokens of a Split, all attention of a Fuse."""
    ONE_CHILD = "one child"


@dataclass(frozen=True, kw_only=True)
class RelationGap(OutputGap):
    """A block that must do nothing does something."""

    relation: Relation
    block: str
    """The block that was run in place of the one in the composition; with one child, all of the tree."""
    kind: str
    """The block's kind, such as `average`; empty with one child."""
    adapter: str = ""
    """The one that a Fuse attends to."""


class BlockNeutrality(ValueCheck):
    """Every block of the composition is held to the relations that apply to it."""

    name, order = "neutrality", 100
    yields = (RelationGap,)

    def observe(self, bench: MeasuringBench) -> Iterator[RelationGap]:
        """One for each block; for blocks of one child, one in all."""
        bench.composed()
        trees = list(dict.fromkeys(r.tree for r in bench.references))
        if not any(_is_asked(tree) for tree in (bench.tree, *trees)):
            raise NotApplicable
        yield from _same_children(bench, trees)
        yield from _fusions(bench, trees)
        yield from _nests(bench)


def _is_asked(tree: Node) -> bool:
    """Whether any relation applies to the tree."""
    asked = ("average", "split", "fuse", "weighted")
    return any(b.kind in asked for b in walk(tree)) or unnested(tree) != tree


def _same_children(bench: MeasuringBench, trees: list[Node]) -> Iterator[RelationGap]:
    """One gap for each block: what is wrong with equal adapters is wrong with unequal ones, too."""
    wrong: set[Block] = set()
    for origin, block, with_block, without in (pair for tree in trees for pair in _neutral_pairs(tree)):
        mixed = len(set(block.children)) > 1
        if origin in wrong or (mixed and bench.idle & set(adapter_names(block))):
            continue  # weights cannot count for an adapter that does nothing, which `adapter_effect` says
        gap = _gap(bench, bench.known(with_block), bench.known(without))
        if gap is not None:
            wrong.add(origin)
            yield RelationGap(
                relation=Relation.ONE_SIDED if mixed else Relation.EQUAL,
                block=str(block),
                kind=block.kind,
                output=gap[0],
                deviation=gap[1],
                departure=bench.relation_place(block, with_block, without),
            )


def _fusions(bench: MeasuringBench, trees: list[Node]) -> Iterator[RelationGap]:
    """One gap for each Fuse: its last adapter, whose configuration counts for all, is asked first.

    What lies outside of these layers (invertible adapters) is one adapter's: attention to another shows it.
    """
    for tree in trees:
        for block in (b for b in walk(tree) if b.kind == "fuse"):
            wrong = [*_fused_copies(bench, tree, block)] or [*_one_sided_fusions(bench, tree, block)]
            yield from wrong[:1]


def _fused_copies(bench: MeasuringBench, tree: Node, block: Block) -> Iterator[RelationGap]:
    """The Fuse with copies of its last adapter in place of all."""
    name = unnested(block.children[-1])
    if not isinstance(name, str):
        return
    without = as_block(replaced(tree, block, name))
    with bench.fused_copies(name, len(block.children)) as fused:
        with_block = as_block(replaced(tree, block, fused))
        gap = _gap(bench, bench.run(with_block), bench.known(without))
        if gap is not None:
            yield RelationGap(
                relation=Relation.EQUAL,
                block=str(fused),
                kind="fuse",
                output=gap[0],
                deviation=gap[1],
                departure=bench.relation_departure(with_block, without),
            )


def _one_sided_fusions(bench: MeasuringBench, tree: Node, block: Block) -> Iterator[RelationGap]:
    """The Fuse that attends to one of its adapters only, where each layer has all of them."""
    names = [child for child in block.children if isinstance(child, str)]
    if len(names) < len(block.children) or bench.idle & set(names):
        return
    for index, name in enumerate(names):
        without = as_block(replaced(tree, block, name))
        try:
            with bench.tries_blocks().attending(bench.model, block, index):
                gap = _gap(bench, bench.run(tree), bench.known(without))
                if gap is not None:
                    yield RelationGap(
                        relation=Relation.ONE_SIDED,
                        block=str(block),
                        kind="fuse",
                        adapter=name,
                        output=gap[0],
                        deviation=gap[1],
                        departure=bench.relation_departure(tree, without),
                    )
        except LookupError:
            return


def _nests(bench: MeasuringBench) -> Iterator[RelationGap]:
    """The first reference that differs from itself without blocks of one child.

    Not the composition: without them it is another one, which may be wrong where the asked one is right.
    """
    for tree in dict.fromkeys(as_block(r.tree) for r in bench.references):
        bare = as_block(unnested(tree))
        gap = _gap(bench, bench.known(tree), bench.known(bare)) if bare != tree else None
        if gap is not None:
            yield RelationGap(
                relation=Relation.ONE_CHILD, block=str(tree), kind="", output=gap[0], deviation=gap[1]
            )
            return


def _gap(bench: MeasuringBench, ran: Ran, alone: Ran) -> tuple[str, float] | None:
    """Both must agree; that another composition than the audited one stops proves nothing, and is said."""
    for stop in (ran, alone):
        if stop.failure is not None:
            bench.leave_open(f"a relation of the blocks: {stop.failure.kind}: {stop.failure.message[:160]}")
            return None
    output, amount = bench.lanes_gap(alone, ran)
    return (output, amount) if amount > bench.tolerance else None


def _neutral_pairs(tree: Node) -> Iterator[tuple[Block, Block, Node, Node]]:
    """A block, the same of one child again and again, the tree with it, and the tree with the child alone."""
    for block in walk(tree):
        if block.kind == "weighted" and _keeps_all(block):
            yield from _one_sided_pairs(tree, block)
        if block.kind not in ("average", "split"):
            continue
        for child in dict.fromkeys(block.children) if _shares_out_one(block) else ():
            same = replace(block, children=(child,) * len(block.children))
            yield block, same, as_block(replaced(tree, block, same)), as_block(replaced(tree, block, child))
        yield from _one_sided_pairs(tree, block)


def _keeps_all(block: Block) -> bool:
    """Whether a weighted combination drops nothing of its adapters: no entries, no ranks."""
    return block.option("density") in (None, 1.0) and block.option("svd_rank") is None


def _shares_out_one(block: Block) -> bool:
    """Whether a block's shares sum up to the whole: weights that are not normalised may not."""
    unscaled = block.option("normalize_weights") is False and block.numbers is not None
    return not unscaled or abs(sum(block.numbers or ()) - 1) < SUMS_TO_ONE


def _one_sided_pairs(tree: Node, block: Block) -> Iterator[tuple[Block, Block, Node, Node]]:
    """An Average or Split with everything on one child, and that child alone: nothing goes astray."""
    if len(set(block.children)) < 2:
        return
    whole = sum(block.numbers or ()) if block.kind == "split" else 1.0
    for index, child in enumerate(block.children):
        numbers = tuple(whole * (i == index) for i in range(len(block.children)))
        one = replace(block, numbers=numbers)
        yield block, one, as_block(replaced(tree, block, one)), as_block(replaced(tree, block, child))
