"""The composition language: text <-> a small tree of blocks, without importing `adapters`.

Grammar (whitespace is free)::

    expr   := name | block | kind ":" count
    block  := kind "(" expr ("," expr)* [";" number ("," number)*] ")"
    kind   := parallel | batchsplit | average | stack | split | fuse | multitask
    name   := [A-Za-z0-9_.+-]+ | '"' any characters '"'

Numbers belong to `batchsplit` (rows per child), `split` (tokens per child) and `average` (weights).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, TypeAlias

from ..errors import UsageError

KINDS: Mapping[str, str] = {
    "parallel": "Parallel",
    "batchsplit": "BatchSplit",
    "average": "Average",
    "stack": "Stack",
    "split": "Split",
    "fuse": "Fuse",
    "multitask": "MultiTask",
}
"""Our kind -> class name in `adapters.composition`."""

NUMBERED: Mapping[str, str] = {"batchsplit": "batch_sizes", "split": "splits", "average": "weights"}
"""Kinds that take numbers -> keyword of the library's block."""

MAX_COUNT = 256
MAX_DEPTH = 32

Node: TypeAlias = "str | Block"


class ComposeError(UsageError):
    """A composition expression that cannot be read; points at the offending character."""

    def __init__(self, text: str, position: int, why: str, do: str = "") -> None:
        self.text, self.position = text, position
        shown = text if len(text) <= 60 else text[:57] + "..."
        super().__init__(f"cannot read the composition {shown!r} at character {position + 1}", why=why, do=do)

    @property
    def pointer(self) -> str:
        """The expression with a caret under the offending character (two lines)."""
        return f"  {self.text}\n  {' ' * self.position}^"


@dataclass(frozen=True)
class Block:
    """One composition block; `numbers` are batch sizes, split lengths or weights of the children."""

    kind: str
    children: tuple[Node, ...]
    numbers: tuple[float, ...] | None = None

    def __str__(self) -> str:
        inner = ",".join(_quote(c) if isinstance(c, str) else str(c) for c in self.children)
        if self.numbers is not None:
            inner += ";" + ",".join(f"{n:g}" if float(f"{n:g}") == n else repr(n) for n in self.numbers)
        return f"{self.kind}({inner})"


def walk(node: Node) -> Iterator[Block]:
    """All blocks of the tree, parents first."""
    if isinstance(node, Block):
        yield node
        for child in node.children:
            yield from walk(child)


def adapter_names(node: Node) -> tuple[str, ...]:
    """Names of all adapters, each once, in the order of the text."""
    if isinstance(node, str):
        return (node,)
    return tuple(dict.fromkeys(name for child in node.children for name in adapter_names(child)))


def lane_count(node: Node) -> int:
    """N: how many lanes the composition makes of one batch (1 without a Parallel)."""
    return max((len(b.children) for b in walk(node) if b.kind == "parallel"), default=1)


def lane_reference(node: Node, lane: int) -> Node:
    """The same composition with every Parallel replaced by its child number `lane` (DESIGN, section 2)."""
    if isinstance(node, str):
        return node
    if node.kind == "parallel":
        return lane_reference(node.children[min(lane, len(node.children) - 1)], lane)
    return replace(node, children=tuple(lane_reference(c, lane) for c in node.children))


def as_block(node: Node) -> Block:
    """A lone adapter as the library sees it: a Stack of one."""
    return node if isinstance(node, Block) else Block("stack", (node,))


def default_names(count: int) -> tuple[str, ...]:
    """`a`, `b`, ..., `z`, `a1`, `b1`, ... for `parallel:5` and the like."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    return tuple(letters[i % 26] + (str(i // 26) if i >= 26 else "") for i in range(count))


def parse(text: str) -> Block:
    """Read an expression; raises ComposeError that points at the character."""
    return as_block(_Parser(text).parse())


def from_saved(data: Any, source: str) -> Block:
    """Read the content of a saved `adapter_setup.json` (format of `AdapterCompositionBlock.to_dict`).

    Raises UsageError naming `source` when the structure is not that of a saved set-up.
    """
    if isinstance(data, Mapping) and "adapter_composition" in data:
        data = data["adapter_composition"]
    return as_block(_node_from_saved(data, source, 0))


def load_saved(text: str, source: str) -> Block:
    """`from_saved` on JSON text."""
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageError(
            f"{source} is not valid JSON", why=f"line {error.lineno}: {error.msg}", do="save the set-up again"
        ) from error
    except RecursionError as error:
        raise UsageError(f"{source} is not a saved adapter set-up", why="it is nested too deeply") from error
    return from_saved(data, source)


def _node_from_saved(data: Any, source: str, depth: int) -> Node:
    if not isinstance(data, Mapping) or not isinstance(data.get("children"), list) or depth > MAX_DEPTH:
        raise UsageError(
            f"{source} is not a saved adapter set-up",
            why="expected objects with 'type' and 'children'",
            do="point --compose at the adapter_setup.json written by save_adapter_setup()",
        )
    kind = str(data.get("type", "")).lower()
    children = data["children"]
    if kind == "single" and len(children) == 1 and isinstance(children[0], str):
        return children[0]
    if kind not in KINDS or not children:
        raise UsageError(
            f"{source}: unknown block type {data.get('type')!r}", do=f"known: {', '.join(KINDS)}"
        )
    numbers = None
    if kind in NUMBERED:
        raw = (data.get("kwargs") or {}).get(NUMBERED[kind])
        if raw is not None:
            try:
                numbers = tuple(float(n) for n in raw)
            except (TypeError, ValueError) as error:
                raise UsageError(f"{source}: {NUMBERED[kind]} are not numbers", why=repr(raw)) from error
    return Block(kind, tuple(_node_from_saved(c, source, depth + 1) for c in children), numbers)


_NAME = re.compile(r"[A-Za-z0-9_.+\-]+")
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")


def _quote(name: str) -> str:
    if _NAME.fullmatch(name):
        return name
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


class _Parser:
    """Recursive descent over the text; `at` is the current character."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def parse(self) -> Node:
        node = self.expression(0)
        self.space()
        if self.at < len(self.text):
            raise self.error(f"unexpected {self.text[self.at]!r} after the end of the expression")
        return node

    def error(self, why: str, do: str = "", at: int | None = None) -> ComposeError:
        return ComposeError(self.text, self.at if at is None else at, why, do)

    def space(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def peek(self) -> str:
        self.space()
        return self.text[self.at : self.at + 1]

    def expression(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise self.error(f"nested deeper than {MAX_DEPTH} blocks")
        if self.peek() == '"':
            return self.quoted()
        start = self.at
        name = self.name()
        following = self.peek()
        if following == "(":
            return self.block(self.kind(name, start), depth)
        if following == ":":
            return self.counted(self.kind(name, start))
        return name

    def name(self) -> str:
        match = _NAME.match(self.text, self.at)
        if match is None:
            found = self.text[self.at : self.at + 1]
            raise self.error(
                f"expected an adapter name or a block, found {found!r}"
                if found
                else "the expression ends too early",
                do="write for example parallel(a,b) or parallel:5",
            )
        self.at = match.end()
        return match.group()

    def quoted(self) -> str:
        start, out = self.at, []
        self.at += 1
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == "\\" and self.at + 1 < len(self.text):
                out.append(self.text[self.at + 1])
                self.at += 2
                continue
            self.at += 1
            if char == '"':
                if not out:
                    raise self.error("an adapter name cannot be empty", at=start)
                return "".join(out)
            out.append(char)
        raise self.error("the quoted name is not closed", at=start)

    def kind(self, name: str, at: int) -> str:
        kind = name.lower().replace("_", "").replace("-", "")
        if kind in KINDS:
            return kind
        near = get_close_matches(kind, KINDS, 1)
        raise self.error(
            f"{name!r} is not a block",
            do=f"did you mean {near[0]!r}?" if near else f"known blocks: {', '.join(KINDS)}",
            at=at,
        )

    def counted(self, kind: str) -> Block:
        self.at += 1
        self.space()
        start = self.at
        match = re.compile(r"[0-9]+").match(self.text, self.at)
        if match is None:
            raise self.error("expected a number of adapters", do=f"write for example {kind}:5")
        self.at = match.end()
        count = int(match.group()) if len(match.group()) < 10 else MAX_COUNT + 1
        if count < 2 or count > MAX_COUNT:
            raise self.error(
                f"{kind} takes 2 to {MAX_COUNT} adapters, got {match.group()}",
                do="for a single adapter write its name, for example --compose a",
                at=start,
            )
        return Block(kind, default_names(count))

    def block(self, kind: str, depth: int) -> Block:
        self.at += 1
        if self.peek() == ")":
            raise self.error(f"{kind} has no adapters", do=f"write for example {kind}(a,b)")
        children = [self.expression(depth + 1)]
        while self.peek() == ",":
            self.at += 1
            self.space()
            children.append(self.expression(depth + 1))
        numbers = self.numbers(kind, len(children)) if self.peek() == ";" else None
        if self.peek() != ")":
            raise self.error(
                "expected ',' or ')'" if self.peek() else "the block is not closed, expected ')'"
            )
        self.at += 1
        return Block(kind, tuple(children), numbers)

    def numbers(self, kind: str, expected: int) -> tuple[float, ...]:
        if kind not in NUMBERED:
            raise self.error(f"{kind} takes no numbers", do=f"only {', '.join(NUMBERED)} do")
        start = self.at
        found: list[float] = []
        while self.peek() in (";", ","):
            self.at += 1
            self.space()
            match = _NUMBER.match(self.text, self.at)
            if match is None:
                raise self.error("expected a number")
            if kind != "average" and match.group(1):
                raise self.error(f"{NUMBERED[kind]} are whole numbers")
            found.append(float(match.group()))
            self.at = match.end()
        if len(found) != expected:
            raise self.error(f"{expected} children but {len(found)} {NUMBERED[kind]}", at=start)
        return tuple(found)


def replaced(tree: Node, old: Node, new: Node) -> Node:
    """The tree with that very node replaced by another one."""
    if tree is old:
        return new
    if isinstance(tree, str):
        return tree
    return replace(tree, children=tuple(replaced(c, old, new) for c in tree.children))


def unnested(tree: Node) -> Node:
    """The tree with every block of one child replaced by that child; a Fuse of one is more than its child."""
    if isinstance(tree, str):
        return tree
    children = tuple(unnested(child) for child in tree.children)
    alone = len(children) == 1 and tree.kind != "fuse"
    return children[0] if alone else replace(tree, children=children)
