"""Whether a value is one that some runs know: compared row by row, wherever in a tensor a row lies.

Blocks cut rows out and put them in another order. A row that a reference has at any op is one that it
knows; where it lies in the composition's tensor says nothing about that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from ..witness import Witness

ENDLESS = 1e9
"""What is larger stands for infinity (masks are made of it): alike to all of its kind, and no scale."""


class KnownRows:
    """Rows (slices along the first axis) of all floating-point values of some runs: all, or those cut out."""

    def __init__(
        self,
        witnesses: Sequence[Witness],
        tolerance: float,
        cut: Callable[[torch.Tensor], torch.Tensor] = lambda value: value,
    ) -> None:
        self.witnesses, self.tolerance, self.cut = witnesses, tolerance, cut
        self._rows: dict[torch.Size, torch.Tensor] = {}

    def know(self, value: torch.Tensor) -> bool:
        """Whether each row of the value is known."""
        return self.count(value) == len(value)

    def count(self, value: torch.Tensor) -> int:
        """How many rows of the value are known."""
        if not value.numel():
            return len(value)
        known = self._rows_with(value.shape[1:])
        return int((_apart(value, known) <= self.tolerance).sum()) if len(known) else 0

    def _rows_with(self, tail: torch.Size) -> torch.Tensor:
        found = self._rows.get(tail)
        if found is None:
            rows = [
                self.cut(value)
                for witness in self.witnesses
                for shape, values in witness.by_shape.items()
                if shape[1:] == tail and len(shape)
                for value in values
                if value.is_floating_point()
            ]
            found = self._rows[tail] = torch.cat(rows) if rows else torch.empty(0, *tail)
        return found


def _apart(rows: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """How far each of the rows is from the nearest known one, relative to the largest value of all."""
    mine, theirs = _flat(rows), _flat(known)
    finite = mine.abs()[mine.abs() < ENDLESS]
    scale = float(finite.max()) if len(finite) else 0.0
    return torch.cdist(mine, theirs, p=float("inf")).min(1).values / (scale or 1.0)


def _flat(rows: torch.Tensor) -> torch.Tensor:
    return rows.double().nan_to_num(0.0, ENDLESS, -ENDLESS).clamp(-ENDLESS, ENDLESS).reshape(len(rows), -1)
