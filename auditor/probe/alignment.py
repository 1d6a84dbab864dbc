"""Puts the rows of every output first, wherever a model keeps them.

Two runs of the model tell where: on the caller's B rows, and on the same rows twice. The axis that grows
counts rows (`[S, B, H]`), or rows and something else (`[B*S, H]`, `[S*B, H]`, told apart by value); a list
that grows has an entry for each row. What does not grow, or mixes its rows, cannot be lined up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch

from ..knowledge.library_names import TRANSFORMERS
from ..trace.tensors import readable
from .precision import deviation

Tensors = Mapping[str, torch.Tensor]

ALIKE = 1e-3
"""Rows that were given twice differ by less than this, and from other rows by more."""


@dataclass(frozen=True)
class Layout:
    """Where an output has its rows: along `axis`, `per_row` entries of it for each."""

    axis: int
    per_row: int
    rows_inside: bool
    """Rows change fastest along the axis (`[S*B]`)."""

    def rows_first(self, value: torch.Tensor) -> torch.Tensor:
        """[..., rows * per_row, ...] as [rows, per_row, ...]; as it is where the size does not fit."""
        if value.dim() <= self.axis or value.shape[self.axis] % self.per_row:
            return value
        value = value.movedim(self.axis, 0)
        if self.per_row == 1:
            return value
        rows = value.shape[0] // self.per_row
        if self.rows_inside:
            return value.reshape(self.per_row, rows, *value.shape[1:]).transpose(0, 1)
        return value.reshape(rows, self.per_row, *value.shape[1:])


@dataclass(frozen=True)
class RowList:
    """An output of which a list has one for each row: the parts of its name around the row's number."""

    before: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def name(self) -> str:
        """What the output is called once its rows are in one tensor."""
        return ".".join((*self.before, *self.after)) or "output"

    def rows_of(self, outputs: Tensors) -> list[str]:
        """The names of the rows that are there, in order."""
        names: list[str] = []
        while (name := ".".join((*self.before, str(len(names)), *self.after))) in outputs:
            names.append(name)
        return names


@dataclass(frozen=True)
class Alignment:
    """How the outputs of one model are lined up; the default takes them as they are."""

    layouts: Mapping[str, Layout] = field(default_factory=dict)
    lists: frozenset[RowList] = frozenset()
    open: Mapping[str, str] = field(default_factory=dict)
    """Output -> why its rows cannot be told."""

    def rows_first(self, outputs: Tensors) -> dict[str, torch.Tensor]:
        """The outputs with their rows first; sparse ones dense, complex ones as pairs of numbers."""
        found = _stacked(_readable(outputs), self.lists)
        return {n: self.layouts[n].rows_first(v) if n in self.layouts else v for n, v in found.items()}


def needs_lining_up(outputs: Tensors, rows: int) -> bool:
    """Whether any answer has not the rows along its first axis, or may be one of a list of rows."""
    found = {name: value for name, value in outputs.items() if not _is_aside(name)}
    return any(
        value.shape[0] != rows if value.dim() else any(map(str.isdigit, name.split(".")))
        for name, value in found.items()
    ) or (bool(found) and not any(value.dim() for value in found.values()))


def alignment(once: Tensors, twice: Tensors | None, rows: int) -> Alignment:
    """Line up the outputs of a model on `rows` rows by those on them twice (None: it fails there)."""
    once = _readable(once)
    if twice is None:
        odd = [n for n, v in once.items() if not _is_aside(n) and v.dim() and v.shape[0] != rows]
        return Alignment(open=dict.fromkeys(odd, "the model does not run on a batch of another size"))
    twice = _readable(twice)
    lists = frozenset(_row_lists(once, twice, rows))
    once, twice = _stacked(once, lists), _stacked(twice, lists)
    layouts: dict[str, Layout] = {}
    unknown: dict[str, str] = {}
    for name, value in once.items():
        if _is_aside(name) or not value.dim() or _is_lined_up(value, twice.get(name), rows):
            continue
        layout = _layout(value, twice.get(name), rows)
        if layout is None:
            unknown[name] = f"no axis of it ({list(value.shape)}) has the {rows} rows of the batch"
        else:
            layouts[name] = layout
    if not any(v.dim() and n not in unknown and not _is_aside(n) for n, v in once.items()):
        unknown |= {n: "it is one number for the whole batch" for n, v in once.items() if not v.dim()}
    return Alignment(layouts, lists, unknown)


def _readable(outputs: Tensors) -> dict[str, torch.Tensor]:
    return {name: readable(value) for name, value in outputs.items()}


def _is_aside(name: str) -> bool:
    """What is no answer, or has a number for each pair of rows."""
    return name.startswith((*TRANSFORMERS.side_outputs, *TRANSFORMERS.pairwise_outputs))


def _is_lined_up(value: torch.Tensor, doubled: torch.Tensor | None, rows: int) -> bool:
    return doubled is not None and value.shape[0] == rows and doubled.shape == (2 * rows, *value.shape[1:])


def _layout(value: torch.Tensor, doubled: torch.Tensor | None, rows: int) -> Layout | None:
    if doubled is None or doubled.dim() != value.dim():
        return None
    grown = [i for i in range(value.dim()) if value.shape[i] != doubled.shape[i]]
    if (
        len(grown) != 1
        or value.shape[grown[0]] % rows
        or doubled.shape[grown[0]] != 2 * value.shape[grown[0]]
    ):
        return None
    axis, per_row = grown[0], value.shape[grown[0]] // rows
    for layout in (Layout(axis, per_row, False), Layout(axis, per_row, True)):
        one, two = layout.rows_first(value), layout.rows_first(doubled)
        if per_row == 1 or deviation(two, torch.cat([one, one])) < ALIKE:
            return layout
    return None


def _row_lists(once: Tensors, twice: Tensors, rows: int) -> Iterator[RowList]:
    """Lists with as many entries as rows in both runs, of equal shapes."""
    for name in twice:
        parts = tuple(name.split(".")) if name != "output" else ()
        for i in (i for i, part in enumerate(parts) if part == "0"):
            found = RowList(parts[:i], parts[i + 1 :])
            first, second = found.rows_of(once), found.rows_of(twice)
            shapes = {twice[n].shape for n in second}
            if not _is_aside(name) and len(first) == rows and len(second) == 2 * rows and len(shapes) == 1:
                yield found


def _stacked(outputs: Tensors, lists: frozenset[RowList]) -> dict[str, torch.Tensor]:
    found = dict(outputs)
    for rows in lists:
        names = rows.rows_of(outputs)
        if names and len({outputs[n].shape for n in names}) == 1:
            found[rows.name] = torch.stack([found.pop(n) for n in names])
    return found
