"""Prediction heads that a model can choose from: which of them are active, and whose rows each serves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

Place = tuple[int, int]
"""A lane and a row of the caller's batch."""


@dataclass(frozen=True)
class Heads:
    """The active heads, in their order."""

    names: tuple[str, ...]
    sizes: tuple[int, ...] = ()
    """How many rows each serves, one after the other; empty where each serves a lane, or all rows."""
    in_lanes: bool = False
    """They were asked to serve a lane each."""

    def without_lanes(self) -> Heads:
        """What is active where nothing is replicated: the first one, where each serves a lane."""
        return self if self.sizes else replace(self, names=self.names[:1])


@dataclass(frozen=True)
class ServedRows:
    """The rows of one set of outputs, in its order."""

    head: str | None
    """None for a model without heads to choose from."""
    part: int | None
    """Which set of outputs it is; None for the only one."""
    places: tuple[Place, ...]


def served_rows(heads: Heads | None, lanes: int, batch: int) -> tuple[ServedRows, ...]:
    """One for each set of outputs that `lanes` * `batch` rows give, lane-major.

    A head for each lane serves that lane; heads with sizes serve so many rows; others serve all rows.
    """
    every = tuple((lane, row) for lane in range(lanes) for row in range(batch))
    names = heads.names if heads is not None else ()
    if heads is None or len(names) < 2:
        return (ServedRows(names[0] if names else None, None, every),)
    sizes = heads.sizes or ((batch,) * lanes if len(names) == lanes else ())
    if not sizes:
        return tuple(ServedRows(name, part, every) for part, name in enumerate(names))
    cuts = pairwise(accumulate(sizes, initial=0))
    return tuple(
        ServedRows(name, part, every[start:end])
        for part, (name, (start, end)) in enumerate(zip(names, cuts, strict=False))
    )
