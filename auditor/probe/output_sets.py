"""Whose rows are where in a model's outputs: lane-major in all of them, or in the sets of several heads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

import torch

from ..schema.heads import Heads, Place, served_rows
from ..schema.references import Reference
from ..trace.output_names import set_and_name

Tensors: TypeAlias = "dict[str, torch.Tensor]"


class Rows(NamedTuple):
    """An output and the rows of it that are asked for."""

    value: torch.Tensor
    rows: tuple[int, ...]
    size: int
    """How many rows it should have."""

    @property
    def are_there(self) -> bool:
        """Whether it has so many rows."""
        return bool(self.value.dim()) and self.value.shape[0] > max(self.rows)

    def taken(self) -> torch.Tensor:
        """These rows only."""
        return self.value[list(self.rows)]


def rows_of(outputs: Tensors, reference: Reference, batch: int, lanes: int) -> dict[str, Rows]:
    """A reference's rows of the composition's outputs, by the names that these have in its own run."""
    found: dict[str, Rows] = {}
    for name, value in outputs.items():
        number, own = set_and_name(name)
        if number is None:
            found.setdefault(own, Rows(value, reference.output_rows(batch), batch * lanes))
        elif number == reference.part:
            found[own] = Rows(value, reference.part_rows, reference.part_size)
    return found


def places_in(name: str, heads: Heads | None, lanes: int, batch: int) -> Mapping[Place, int]:
    """Where an output of a run on `batch` rows in so many lanes has which row of which lane."""
    number, _ = set_and_name(name)
    every = served_rows(heads, lanes, batch) if number is not None else served_rows(None, lanes, batch)
    places = every[number or 0].places if (number or 0) < len(every) else ()
    return {place: at for at, place in enumerate(places)}
