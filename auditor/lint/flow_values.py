"""What the data flow knows about a name: whose batch size a tensor or a number has.

A `Batch` stands for the number of rows at one point of the program. Rows only ever grow (Parallel
replicates them), so a batch knows which others it may be a multiple of: those `below` it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

MAX_ALTERNATIVES = 4


@dataclass(frozen=True, eq=False)
class Batch:
    """The rows of a tensor; compared by identity. `why` and `line` say what made them grow."""

    below: frozenset[Batch] = frozenset()
    why: str = ""
    line: int = 0
    one_of: frozenset[Batch] = frozenset()
    """Not empty when it is one of these, depending on the branch taken."""

    def grown(self, why: str, line: int) -> Batch:
        """The rows after something that may replicate them."""
        return Batch(self.below | {self} | self.one_of, why, line)

    def covers(self, other: Batch) -> bool:
        """`other` has at most these rows."""
        return (
            other is self
            or other in self.below
            or (bool(other.one_of) and all(map(self.covers, other.one_of)))
        )


@dataclass(frozen=True)
class Tensor:
    """A tensor, or with `is_tuple` a tuple of such ones; `batch` is None where dim 0 is something else."""

    batch: Batch | None
    parameter: str = ""
    """The one argument of the function that this was made from; empty for anything else."""
    plain: bool = True
    """Dim 0 is the batch alone, not folded together with another axis."""
    is_tuple: bool = False
    fixed: bool = False
    """Made here with these rows (`torch.zeros(batch_size, ...)`)."""


@dataclass(frozen=True)
class Size:
    """A number of rows, read from a tensor at `line`."""

    batch: Batch
    source: str = ""
    line: int = 0
    plain: bool = True


@dataclass(frozen=True)
class Lanes:
    """A number of replicas (rows // rows, `parallel_channels`)."""


@dataclass(frozen=True)
class Shape:
    """A sequence of sizes of which only the first is known."""

    first: Value = None


@dataclass(frozen=True)
class Group:
    """A tuple or list with known items."""

    items: tuple[Value, ...]


@dataclass(frozen=True)
class Member:
    """Something reached from `self`: a submodule, a method, a parameter, a setting."""

    path: str


@dataclass(frozen=True)
class Global:
    """A name from outside the function, by its dotted original name."""

    path: str


@dataclass(frozen=True, eq=False)
class Function:
    """A function whose body is in this file."""

    node: ast.FunctionDef
    kind: Literal["nested", "method", "module"]


@dataclass(frozen=True)
class Either:
    """One of several values, depending on the branch taken."""

    values: tuple[Value, ...]


Value: TypeAlias = "Tensor | Size | Lanes | Shape | Group | Member | Global | Function | Either | None"


def alternatives(value: Value) -> tuple[Value, ...]:
    """The values it may be."""
    return value.values if isinstance(value, Either) else (value,)


def either(values: Iterable[Value]) -> Value:
    """One of these; None (nothing known) when there are too many to keep apart."""
    flat = tuple(dict.fromkeys(v for value in values for v in alternatives(value) if v is not None))
    if not flat or len(flat) > MAX_ALTERNATIVES:
        return None
    return flat[0] if len(flat) == 1 else Either(flat)


def tensors(value: Value) -> Iterator[Tensor]:
    """The tensors it may be."""
    return (v for v in alternatives(value) if isinstance(v, Tensor))


def sizes(value: Value) -> Iterator[Size]:
    """The row counts it may be."""
    return (v for v in alternatives(value) if isinstance(v, Size))


def first_of(value: Value) -> Value:
    """First item of a shape or a tuple, for all alternatives."""
    found: list[Value] = []
    for v in alternatives(value):
        if isinstance(v, Shape):
            found.append(v.first)
        elif isinstance(v, Group):
            found.append(v.items[0] if v.items else None)
    return either(found)


def highest(batches: Iterable[Batch | None], line: int = 0) -> Batch | None:
    """The rows of a combination of tensors: the largest of them, or a new count above all of them."""
    known = list(dict.fromkeys(b for b in batches if b is not None))
    if not known:
        return None
    for candidate in known:
        if all(map(candidate.covers, known)):
            return candidate
    grown = [b for b in known if b.below]
    below = frozenset().union(*(b.below | b.one_of for b in known), known)
    latest = max(grown or known, key=lambda b: b.line)
    return Batch(below, latest.why, line or latest.line)


def combined(operands: Iterable[Tensor], *, is_tuple: bool = False, line: int = 0) -> Tensor | None:
    """The tensor that an operation on these makes; None when there are none."""
    found = list(operands)
    if not found:
        return None
    batch = highest((t.batch for t in found), line)
    origins = {t.parameter for t in found}
    return Tensor(
        batch,
        parameter=origins.pop() if len(origins) == 1 else "",
        plain=all(t.plain for t in found),
        is_tuple=is_tuple,
    )


def merged(value: Value) -> Tensor | None:
    """All alternatives as one tensor: its rows may be those of any of them."""
    found = list(tensors(value))
    if len(found) < 2:
        return found[0] if found else None
    known = [t.batch for t in found if t.batch is not None]
    if all(b is known[0] for b in known):
        return replace(found[0], batch=known[0] if known else None, parameter="")
    latest = max(known, key=lambda b: b.line)
    below = frozenset().union(*(b.below for b in known))
    batch = Batch(below, latest.why, latest.line, frozenset().union(*(b.one_of or {b} for b in known)))
    return Tensor(batch, plain=all(t.plain for t in found))


def outdated(tensor: Value, size: Value) -> tuple[Tensor, Size] | None:
    """A tensor and a row count that may be too small for it, or None.

    Where every alternative of the tensor has its own row count among those of `size`, the two were
    set together in the same branches and are taken to agree.
    """
    rows = list(sizes(size))
    operands = list(tensors(tensor))
    own = {id(s.batch) for s in rows}
    if len(operands) > 1 and all(id(t.batch) in own for t in operands):
        return None
    for t in operands:
        for s in rows:
            if t.batch is not None and s.batch in t.batch.below:
                return t, s
    return None
