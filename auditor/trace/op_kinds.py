"""Ops that give values another place or another shape, and compute nothing."""

from __future__ import annotations

MOVES = frozenset(
    "aten." + name
    for name in (
        "view.default",
        "_unsafe_view.default",
        "reshape.default",
        "transpose.int",
        "permute.default",
        "t.default",
        "slice.Tensor",
        "select.int",
        "expand.default",
        "unsqueeze.default",
        "squeeze.default",
        "squeeze.dim",
        "alias.default",
        "clone.default",
        "_to_copy.default",
        "contiguous.default",
        "detach.default",
        "split.Tensor",
        "split_with_sizes.default",
        "unbind.int",
        "chunk.default",
    )
)
"""Ops that only move or relabel values: they are not where a tensor was *made*."""

RESHAPES = frozenset(
    "aten." + name for name in ("view.default", "_unsafe_view.default", "reshape.default", "unflatten.int")
)
"""Ops that are given explicit sizes."""
