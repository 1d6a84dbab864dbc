"""Composition expressions of a spec, and which lane-free composition each output row should be equal to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

BLOCKS = ("parallel", "stack", "batchsplit", "average", "split", "fuse", "multitask")
_TOKEN = re.compile(r"\s*([A-Za-z_][\w.\-]*|-?\d+(?:\.\d+)?|[(),;:])")


class ExprError(ValueError):
    """The expression cannot be read."""


@dataclass(frozen=True)
class Expr:
    """An adapter (``kind == "adapter"``) or a block; ``numbers`` are sizes, splits or weights."""

    kind: str
    name: str = ""
    children: tuple[Expr, ...] = ()
    numbers: tuple[float, ...] = ()

    def adapters(self) -> list[str]:
        """Names of all adapters below, each once, in order of appearance."""
        found = [self.name] if self.kind == "adapter" else [n for c in self.children for n in c.adapters()]
        return list(dict.fromkeys(found))

    def walk(self) -> Iterator[Expr]:
        """Yield this node and everything below, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()

    def __str__(self) -> str:
        if self.kind == "adapter":
            return self.name
        numbers = ";" + ",".join(f"{n:g}" for n in self.numbers) if self.numbers else ""
        return f"{self.kind}({','.join(map(str, self.children))}{numbers})"


def adapter(name: str) -> Expr:
    """Make the expression of one adapter."""
    return Expr("adapter", name)


def parse(text: str) -> Expr:
    """Read ``stack(a,parallel(b,c))`` or the short form ``parallel:5``; raises ExprError."""
    tokens = _tokens(text)
    expr, rest = _parse(tokens)
    if rest:
        raise ExprError(f"unexpected {rest[0]!r} in {text!r}")
    return expr


def _tokens(text: str) -> list[str]:
    tokens, position = [], 0
    while position < len(text.rstrip()):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ExprError(f"cannot read {text[position:]!r} in {text!r}")
        tokens.append(match.group(1))
        position = match.end()
    return tokens


def _parse(tokens: list[str]) -> tuple[Expr, list[str]]:
    if not tokens:
        raise ExprError("expression ends too early")
    head, rest = tokens[0], tokens[1:]
    if rest[:1] == [":"] and head in BLOCKS:
        count = int(rest[1])
        return Expr(head, children=tuple(adapter(f"a{i}") for i in range(count))), rest[2:]
    if rest[:1] != ["("]:
        return adapter(head), rest
    if head not in BLOCKS:
        raise ExprError(f"unknown block {head!r}")
    children, rest = _children(rest[1:])
    numbers: list[float] = []
    if rest[:1] == [";"]:
        numbers, rest = _numbers(rest[1:])
    if rest[:1] != [")"]:
        raise ExprError(f"missing ')' after {head}")
    return Expr(head, children=tuple(children), numbers=tuple(numbers)), rest[1:]


def _children(tokens: list[str]) -> tuple[list[Expr], list[str]]:
    child, rest = _parse(tokens)
    children = [child]
    while rest[:1] == [","]:
        child, rest = _parse(rest[1:])
        children.append(child)
    return children, rest


def _numbers(tokens: list[str]) -> tuple[list[float], list[str]]:
    numbers = [float(tokens[0])]
    rest = tokens[1:]
    while rest[:1] == [","]:
        numbers.append(float(rest[1]))
        rest = rest[2:]
    return numbers, rest


def simplify(expr: Expr) -> Expr:
    """Flatten stacks in stacks and drop stacks of one: neither may change any result."""
    if expr.kind == "adapter":
        return expr
    children = tuple(simplify(c) for c in expr.children)
    if expr.kind == "stack":
        flat = tuple(g for c in children for g in (c.children if c.kind == "stack" else (c,)))
        return flat[0] if len(flat) == 1 else replace(expr, children=flat)
    return replace(expr, children=children)


def task_of_row(row: int, tasks: int) -> int:
    """Task id the oracle gives to a row of the batch: interleaved, so that sorting them matters."""
    return row % tasks


def lanes(expr: Expr) -> int:
    """How many times the batch is replicated: the children of the widest Parallel."""
    return max((len(e.children) for e in expr.walk() if e.kind == "parallel"), default=1)


def expected(expr: Expr, batch: int, tasks: Sequence[int] | None = None) -> list[list[Expr]]:
    """For each lane and each row of the batch, the lane-free composition that row must equal.

    ``tasks`` are the task ids of the rows, where they are not those that the oracle gives itself.
    """
    return [
        [simplify(_resolve(expr, lane, row, batch, row, tasks)) for row in range(batch)]
        for lane in range(lanes(expr))
    ]


def _resolve(
    expr: Expr, lane: int, row: int, batch: int, original_row: int, tasks: Sequence[int] | None
) -> Expr:
    """Replace every lane-wise block by the child that serves the row (``row`` counts within the part)."""
    if expr.kind == "adapter":
        return expr
    if expr.kind == "parallel":
        return _resolve(expr.children[lane], lane, row, batch, original_row, tasks)
    if expr.kind == "multitask":
        task = tasks[original_row] if tasks is not None else task_of_row(original_row, len(expr.children))
        return _resolve(expr.children[task], lane, row, batch, original_row, tasks)
    if expr.kind == "batchsplit":
        start = 0
        sizes = [int(n) for n in expr.numbers]
        for child, size in zip(expr.children, sizes, strict=True):
            if start <= row < start + size:
                return _resolve(child, lane, row - start, size, original_row, tasks)
            start += size
        raise ExprError(f"row {row} has no part in {expr}")
    children = tuple(_resolve(c, lane, row, batch, original_row, tasks) for c in expr.children)
    return replace(expr, children=children)
