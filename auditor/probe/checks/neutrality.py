"""Relations that hold for blocks without a row-wise reference: what must change nothing, changes nothing.

- An Average or Split of one and the same child is that child; so is one with all weight or tokens on it.
- A Fuse of one and the same adapter is that adapter, whatever its attention looks like, when its values are
  handed on: attention weights sum up to one. So is a Fuse that attends to one of its adapters only. That is
  asked of adapters, not of stacks in a Fuse: the library means to fuse what the last adapter of each adds.
- A block of one child is the child, wherever it stands: `Parallel(Stack(a), Stack(b))` is `Parallel(a, b)`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ...facts.facts import Discrepancy
from ...schema.composition import Block, Node, adapter_names, as_block, walk
from ..bench import Bench, NotApplicable, Ran, without_chance
from ..cause.first_departure import relation_departure
from ..output_gaps import lanes_gap

SUMS_TO_ONE = 1e-9
_SHARED = {"average": "weight", "split": "tokens"}
"""What a block shares out among its children."""


def check_neutrality(bench: Bench) -> list[Discrepancy]:
    """Every block of the composition is held to the relations that apply to it."""
    bench.composed()
    trees = list(dict.fromkeys(r.tree for r in bench.references))
    if not any(_is_asked(tree) for tree in (bench.tree, *trees)):
        raise NotApplicable
    return [*_same_children(bench, trees), *_fusions(bench, trees), *_nests(bench)]


def _is_asked(tree: Node) -> bool:
    """Whether any relation applies to the tree."""
    return any(b.kind in ("average", "split", "fuse") for b in walk(tree)) or _unnested(tree) != tree


def _same_children(bench: Bench, trees: list[Node]) -> Iterator[Discrepancy]:
    """One discrepancy for each block: what is wrong with equal adapters is wrong with unequal ones, too."""
    wrong: set[Block] = set()
    for origin, block, with_block, without in (pair for tree in trees for pair in _neutral_pairs(tree)):
        mixed = len(set(block.children)) > 1
        if origin in wrong or (mixed and bench.idle & set(adapter_names(block))):
            continue  # weights cannot count for an adapter that does nothing, which `check_effect` says
        subject = f"{block.kind} of equal adapters ({block})"
        if mixed:
            subject = f"{block.kind} ({block}), all its {_SHARED[block.kind]} on one adapter,"
        for found in _gap(bench, subject, bench.known(with_block), bench.known(without)):
            wrong.add(origin)
            yield replace(found, departure=relation_departure(bench, with_block, without))


def _fusions(bench: Bench, trees: list[Node]) -> Iterator[Discrepancy]:
    """One discrepancy for each Fuse: its last adapter, whose configuration counts for all, is asked first.

    What lies outside of these layers (invertible adapters) is one adapter's: attention to another shows it.
    """
    for tree in trees:
        for block in (b for b in walk(tree) if b.kind == "fuse"):
            wrong = [*_fused_copies(bench, tree, block)] or [*_one_sided_fusions(bench, tree, block)]
            yield from wrong[:1]


def _fused_copies(bench: Bench, tree: Node, block: Block) -> Iterator[Discrepancy]:
    """The Fuse with copies of its last adapter in place of all."""
    name = _unnested(block.children[-1])
    if not isinstance(name, str):
        return
    without = as_block(replaced(tree, block, name))
    with bench.library.fused_copies(bench.model, name, len(block.children)) as fused:
        bench.model.to(bench.dtype)
        without_chance(bench.model)
        with_block = as_block(replaced(tree, block, fused))
        subject = f"fuse of equal adapters ({fused})"
        for found in _gap(bench, subject, bench.run(with_block), bench.known(without)):
            yield replace(found, departure=relation_departure(bench, with_block, without))


def _one_sided_fusions(bench: Bench, tree: Node, block: Block) -> Iterator[Discrepancy]:
    """The Fuse that attends to one of its adapters only, where each layer has all of them."""
    if not all(isinstance(child, str) for child in block.children) or bench.idle & set(adapter_names(block)):
        return
    for index, name in enumerate(block.children):
        without = as_block(replaced(tree, block, name))
        try:
            with bench.library.attending(bench.model, block, index):
                subject = f"fuse ({block}), all its attention on {name},"
                for found in _gap(bench, subject, bench.run(tree), bench.known(without)):
                    yield replace(found, departure=relation_departure(bench, tree, without))
        except LookupError:
            return


def _nests(bench: Bench) -> Iterator[Discrepancy]:
    """The first reference that differs from itself without blocks of one child.

    Not the composition: without them it is another one, which may be wrong where the asked one is right.
    """
    for tree in dict.fromkeys(as_block(r.tree) for r in bench.references):
        bare = as_block(_unnested(tree))
        if bare != tree:
            found = [*_gap(bench, f"block of one child in {tree}", bench.known(tree), bench.known(bare))]
            if found:
                yield found[0]
                return


def _unnested(tree: Node) -> Node:
    """The tree with every block of one child replaced by that child."""
    if isinstance(tree, str):
        return tree
    children = tuple(_unnested(child) for child in tree.children)
    alone = len(children) == 1 and tree.kind != "fuse"
    return children[0] if alone else replace(tree, children=children)


def _gap(bench: Bench, subject: str, ran: Ran, alone: Ran) -> Iterator[Discrepancy]:
    """Both must agree; that another composition than the audited one stops proves nothing."""
    if ran.failure is not None or alone.failure is not None:
        return
    name, amount = lanes_gap(bench, alone.outputs, ran.outputs, 1, tuple(range(bench.rows)))
    if amount > bench.tolerance:
        yield Discrepancy(check="neutrality", subject=subject, output=name, deviation=amount)


def _neutral_pairs(tree: Node) -> Iterator[tuple[Block, Block, Node, Node]]:
    """A block, the same of one child again and again, the tree with it, and the tree with the child alone."""
    for block in walk(tree):
        if block.kind not in ("average", "split"):
            continue
        for child in dict.fromkeys(block.children) if _shares_out_one(block) else ():
            same = replace(block, children=(child,) * len(block.children))
            yield block, same, as_block(replaced(tree, block, same)), as_block(replaced(tree, block, child))
        yield from _one_sided_pairs(tree, block)


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


def replaced(tree: Node, old: Node, new: Node) -> Node:
    """The tree with that very node replaced by another one."""
    if tree is old:
        return new
    if isinstance(tree, str):
        return tree
    return replace(tree, children=tuple(replaced(c, old, new) for c in tree.children))
