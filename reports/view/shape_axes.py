"""Shapes by their named axes: `[15, 12, 7, 7] = [N*B, 12, S, S]` as comparable cells."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal["lanes", "batch", "sequence", "plain"]
_LIST = r"\[([^\[\]]*)\]"
_SHAPE = re.compile(rf"^\s*{_LIST}(?:\s*=\s*{_LIST})?\s*$")


@dataclass(frozen=True)
class Axis:
    """One dimension: its size in numbers, its name, and whether the shapes of the finding differ in it."""

    size: str
    name: str
    kind: Kind
    differs: bool = False


@dataclass(frozen=True)
class ShapeRow:
    """One tensor of a finding; `axes` is empty when its text is not a shape."""

    role: str
    text: str
    axes: tuple[Axis, ...]


def shape_rows(shapes: Mapping[str, str]) -> list[ShapeRow]:
    """The shapes of a finding; rules name them in pairs, and where a pair differs is marked."""
    rows = [ShapeRow(role, text, _axes(text)) for role, text in shapes.items()]
    partners = [rows[number ^ 1] if number ^ 1 < len(rows) else row for number, row in enumerate(rows)]
    return [replace(row, axes=_marked(row, other)) for row, other in zip(rows, partners, strict=True)]


def _axes(text: str) -> tuple[Axis, ...]:
    match = _SHAPE.match(text)
    if not match:
        return ()
    sizes = [part.strip() for part in match[1].split(",") if part.strip()]
    names = [part.strip() for part in (match[2] or match[1]).split(",") if part.strip()]
    if len(sizes) != len(names):
        return ()
    return tuple(Axis(size, name, _kind(name)) for size, name in zip(sizes, names, strict=True))


def _kind(name: str) -> Kind:
    factors = {factor.strip(" ()") for factor in name.split("*")}
    if "N" in factors:
        return "lanes"
    if "B" in factors:
        return "batch"
    return "sequence" if factors & {"S", "T"} else "plain"


def _marked(row: ShapeRow, other: ShapeRow) -> tuple[Axis, ...]:
    if len(row.axes) != len(other.axes):
        return row.axes
    return tuple(
        replace(mine, differs=mine.size != its.size) for mine, its in zip(row.axes, other.axes, strict=True)
    )
