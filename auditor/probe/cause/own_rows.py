"""A reference's rows in a value of the composition, by their place in it."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ...schema.references import Reference
from ...trace.records import Lane
from ..precision import deviation


class OwnRows:
    """Cuts a reference's rows out of values of a composition with `lanes` lanes on `rows` rows."""

    def __init__(self, reference: Reference, rows: int, lanes: int) -> None:
        self.reference, self.rows, self.lanes = reference, rows, lanes

    def gap(
        self,
        lane: Lane,
        mine: Sequence[torch.Tensor],
        twins: Sequence[torch.Tensor],
        noise: Sequence[float] = (),
    ) -> float | None:
        """Largest deviation over an op's outputs, beyond their noise.

        None where the shapes do not tell which rows are there.
        """
        if lane is Lane.LANE:
            return None
        floors = noise or [0.0] * len(twins)
        amounts = [self._one_gap(m, t, floor) for m, t, floor in zip(mine, twins, floors, strict=False)]
        return max((a for a in amounts if a is not None), default=None)

    def places(self, mine: torch.Tensor, twin: torch.Tensor) -> tuple[int, ...]:
        """Where the rows lie on the first axis of a value with this twin; all places where it has no rows."""
        size = mine.shape[0] if mine.dim() else 1
        if self._is_of_own_set(mine, twin):
            return self.reference.part_rows
        axis = self._batch_axis(mine, twin) if mine.dim() == twin.dim() else None
        if axis == 0:
            return places(self.reference.output_rows(self.rows), twin.shape[0] // self.rows)
        if axis is None and mine.shape == twin.shape and size % self.rows == 0:
            return places(self.reference.rows, size // self.rows)
        return tuple(range(size))

    def _one_gap(self, mine: torch.Tensor, twin: torch.Tensor, noise: float) -> float | None:
        if mine.dim() != twin.dim():
            return None
        if self._is_of_own_set(mine, twin):
            return deviation(mine[list(self.reference.part_rows)], twin[list(self.reference.rows)], noise)
        axis = self._batch_axis(mine, twin)
        if axis is None:
            return deviation(mine, twin, noise) if mine.shape == twin.shape else None
        per_row = twin.shape[axis] // self.rows
        own = rows_along(mine, axis, self.reference.output_rows(self.rows), per_row)
        return deviation(own, rows_along(twin, axis, self.reference.rows, per_row), noise)

    def _is_of_own_set(self, mine: torch.Tensor, twin: torch.Tensor) -> bool:
        """Whether it has the rows of the head that serves the reference, one of several heads."""
        return (
            self.reference.part is not None
            and mine.dim() > 0
            and twin.dim() > 0
            and mine.shape[0] == self.reference.part_size
            and twin.shape[0] == self.rows
            and mine.shape[1:] == twin.shape[1:]
        )

    def _batch_axis(self, mine: torch.Tensor, twin: torch.Tensor) -> int | None:
        """The axis of N*B*k rows where the twin has B*k; without lanes, the first axis if it is a batch."""
        axes = [i for i in range(mine.dim()) if mine.shape[i] != twin.shape[i]]
        if not axes and self.lanes == 1 and mine.dim() and mine.shape[0] % self.rows == 0:
            return 0
        if len(axes) != 1 or twin.shape[axes[0]] % self.rows:
            return None
        return axes[0] if mine.shape[axes[0]] == self.lanes * twin.shape[axes[0]] else None


def rows_along(value: torch.Tensor, axis: int, rows: tuple[int, ...], per_row: int) -> torch.Tensor:
    """The part of a tensor that belongs to these rows, of which each has `per_row` places on the axis."""
    index = torch.tensor(places(rows, per_row), dtype=torch.long)  # also when there are none
    return value.index_select(axis, index)


def places(rows: tuple[int, ...], per_row: int) -> tuple[int, ...]:
    """Where rows lie on an axis that has `per_row` places for each."""
    return tuple(row * per_row + k for row in rows for k in range(per_row))
