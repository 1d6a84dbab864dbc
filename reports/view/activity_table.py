"""What is active where, as a table of layers by adapters; equal neighbouring layers share a row."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from adapter_audit.auditor.schema.result import Activity

from .words import ranges

_LAST_NUMBER = re.compile(r"^.*(?:^|\.)\d+(?:\.|$)")


@dataclass(frozen=True)
class ActivityRow:
    """One row: a range of layers, and for each adapter what it has there (empty: nothing)."""

    layers: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class ActivityTable:
    """The whole table."""

    adapters: tuple[str, ...]
    rows: tuple[ActivityRow, ...]


def activity_table(activity: Sequence[Activity]) -> ActivityTable:
    """Fold the activity of an audit; layers between the first and the last that have nothing are rows too."""
    adapters = tuple(dict.fromkeys(name for entry in activity for name in entry.adapters))
    by_layer: dict[int, list[Activity]] = {}
    for entry in activity:
        by_layer.setdefault(entry.layer, []).append(entry)
    inside = [layer for layer in by_layer if layer >= 0]
    layers = ([-1] if -1 in by_layer else []) + list(range(max(inside, default=-1) + 1))
    rows: list[tuple[list[int], tuple[str, ...]]] = []
    for layer in layers:
        cells = tuple(_cell(by_layer.get(layer, []), name) for name in adapters)
        if rows and rows[-1][1] == cells and rows[-1][0][-1] >= 0:
            rows[-1][0].append(layer)
        else:
            rows.append(([layer], cells))
    return ActivityTable(adapters, tuple(ActivityRow(_label(numbers), cells) for numbers, cells in rows))


def _label(layers: list[int]) -> str:
    if layers == [-1]:
        return "outside the layers"
    return f"layer{'s' if len(layers) > 1 else ''} {ranges(layers)}"


def _cell(entries: Iterable[Activity], adapter: str) -> str:
    """`lora: q, v`: the methods and, within the layer, the modules."""
    found: dict[str, dict[str, None]] = {}
    for entry in entries:
        if adapter in entry.adapters:
            found.setdefault(entry.method, {}).setdefault(_LAST_NUMBER.sub("", entry.module))
    return "; ".join(
        f"{method}: {', '.join(filter(None, modules))}".rstrip(": ") for method, modules in found.items()
    )
