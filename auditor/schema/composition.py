"""A composition as a small tree of blocks, and what follows from the tree alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

KINDS = (
    "parallel",
    "batchsplit",
    "average",
    "stack",
    "split",
    "fuse",
    "multitask",
    "mixed",
    "active",
    "weighted",
)
"""All kinds of blocks. Each library says which are its own (`Library.blocks`)."""

NUMBERED: Mapping[str, str] = {
    "batchsplit": "batch_sizes",
    "split": "splits",
    "average": "weights",
    "mixed": "counts",
    "weighted": "weights",
}
"""Kinds that take numbers -> what they are, for `adapters` the keyword of the library's block."""
SIGNED = frozenset({"average", "weighted"})
"""Kinds whose numbers may be negative, or no whole ones."""
BY_ROWS = frozenset({"batchsplit", "mixed"})
"""Kinds whose numbers are rows of the batch for each child."""
DIVIDED = BY_ROWS | {"multitask"}
"""Kinds that give each row to one child."""

Value: TypeAlias = "str | bool | float"
OPTIONS: Mapping[str, Mapping[str, type]] = {
    "fuse": {"name": str, "config": str},
    "average": {"normalize_weights": bool},
    "weighted": {
        "combination_type": str,
        "density": float,
        "majority_sign_method": str,
        "svd_clamp": float,
        "svd_driver": str,
        "svd_full_matrices": bool,
        "svd_rank": float,
    },
}
"""Kinds that take options -> option -> its type. `config` is that of the fusion layers (`static`)."""
UNNAMED: Mapping[str, str] = {"weighted": "combination_type"}
"""Kinds -> the option whose name may be left out."""

BASE = "__base__"
"""In `mixed`, rows without an adapter; the name of no adapter."""

MAX_COUNT = 256
MAX_DEPTH = 32

Node: TypeAlias = "str | Block"


@dataclass(frozen=True)
class Block:
    """One composition block; `numbers` are rows, split lengths or weights of the children."""

    kind: str
    children: tuple[Node, ...]
    numbers: tuple[float, ...] | None = None
    options: tuple[tuple[str, Value], ...] = ()
    """Options that differ from the library's defaults, sorted by name."""

    def __str__(self) -> str:
        inner = ",".join(quoted(c) if isinstance(c, str) else str(c) for c in self.children)
        if self.numbers is not None:
            inner += ";" + ",".join(map(_shortest, self.numbers))
        if self.options:
            inner += ";" + ",".join(f"{name}={_written(value)}" for name, value in self.options)
        return f"{self.kind}({inner})"

    def option(self, name: str) -> Value | None:
        """The value of an option; None where the library's default holds."""
        return dict(self.options).get(name)


def _written(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return quoted(value) if isinstance(value, str) else _shortest(value)


def _shortest(number: float) -> str:
    return f"{number:g}" if float(f"{number:g}") == number else repr(number)


def walk(node: Node) -> Iterator[Block]:
    """All blocks of the tree, parents first."""
    if isinstance(node, Block):
        yield node
        for child in node.children:
            yield from walk(child)


def adapter_names(node: Node) -> tuple[str, ...]:
    """Names of all adapters, each once, in the order of the text."""
    if isinstance(node, str):
        return () if node == BASE else (node,)
    return tuple(dict.fromkeys(name for child in node.children for name in adapter_names(child)))


def lane_count(node: Node) -> int:
    """N: how many lanes the composition makes of one batch (1 without a Parallel)."""
    return max((len(b.children) for b in walk(node) if b.kind == "parallel"), default=1)


def lane_reference(node: Node, lane: int) -> Node:
    """The reference of a lane: the composition with every Parallel replaced by its child number `lane`."""
    if isinstance(node, str):
        return node
    if node.kind == "parallel":
        return lane_reference(node.children[min(lane, len(node.children) - 1)], lane)
    return with_children(node, tuple(lane_reference(c, lane) for c in node.children))


def with_children(node: Block, children: tuple[Node, ...]) -> Block:
    """The block with other children, one for each.

    A Stack that takes another block's place in a Stack becomes part of it: libraries know no Stack directly
    inside a Stack. One that was written as such stays as it is.
    """
    if node.kind != "stack":
        return replace(node, children=children)
    spliced: list[Node] = []
    for old, new in zip(node.children, children, strict=True):
        joins = _is_stack(new) and not _is_stack(old)
        spliced += new.children if joins and isinstance(new, Block) else [new]
    return replace(node, children=tuple(spliced))


def _is_stack(node: Node) -> bool:
    return isinstance(node, Block) and node.kind == "stack"


def as_block(node: Node) -> Block:
    """A lone adapter as the library sees it: a Stack of one."""
    return node if isinstance(node, Block) else Block("stack", (node,))


def default_names(count: int) -> tuple[str, ...]:
    """`a`, `b`, ..., `z`, `a1`, `b1`, ... for `parallel:5` and the like."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    return tuple(letters[i % 26] + (str(i // 26) if i >= 26 else "") for i in range(count))


NAME = re.compile(r"[A-Za-z0-9_.+\-]+")


def quoted(name: str) -> str:
    """An adapter's name as it stands in an expression."""
    if NAME.fullmatch(name):
        return name
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def replaced(tree: Node, old: Node, new: Node) -> Node:
    """The tree with that very node replaced by another one."""
    if tree is old:
        return new
    if isinstance(tree, str):
        return tree
    return with_children(tree, tuple(replaced(c, old, new) for c in tree.children))


def unnested(tree: Node) -> Node:
    """The tree with every block of one child replaced by it; a Fuse or combination of one is more."""
    if isinstance(tree, str):
        return tree
    children = tuple(unnested(child) for child in tree.children)
    alone = len(children) == 1 and tree.kind not in ("fuse", "weighted")
    return children[0] if alone else with_children(tree, children)
