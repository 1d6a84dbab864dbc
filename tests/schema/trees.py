"""Hypothesis strategies for compositions."""

from __future__ import annotations

from hypothesis import strategies as st

from adapter_audit.auditor.schema.composition import KINDS, NUMBERED, Block, Node

plain_names = st.from_regex(r"[A-Za-z0-9_.+\-]{1,6}", fullmatch=True)
names = st.one_of(plain_names, st.text(min_size=1, max_size=5))


def blocks(children: st.SearchStrategy[Node], kinds: tuple[str, ...] = KINDS) -> st.SearchStrategy[Block]:
    """A block of any of these kinds, with numbers for its children where it takes some."""
    return st.builds(
        _block, st.sampled_from(kinds), st.lists(st.tuples(children, numbers()), min_size=1, max_size=3)
    )


def numbers() -> st.SearchStrategy[float]:
    """Rows, tokens or weights."""
    return st.integers(1, 50).map(float)


def _block(kind: str, items: list[tuple[Node, float]]) -> Block:
    children = tuple(child for child, _ in items)
    return Block(kind, children, tuple(number for _, number in items) if kind in NUMBERED else None)


def trees(leaves: st.SearchStrategy[str] = names, kinds: tuple[str, ...] = KINDS) -> st.SearchStrategy[Block]:
    """Compositions of up to three levels or so."""
    inner: st.SearchStrategy[Node] = st.recursive(leaves, lambda c: blocks(c, kinds), max_leaves=8)
    return blocks(inner, kinds)
