"""A saved set-up (`adapter_setup.json`) as a composition."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import UsageError
from .composition import KINDS, MAX_DEPTH, NUMBERED, Block, Node, as_block

WRAPPERS = ("adapter_setup", "adapter_composition")
"""Keys that hold the composition in files of `save_adapter_setup()`, and in a model's own configuration."""


def from_saved(data: Any, source: str) -> Block:
    """Read the content of a saved `adapter_setup.json` (format of `AdapterCompositionBlock.to_dict`).

    Raises UsageError naming `source` when the structure is not that of a saved set-up.
    """
    if isinstance(data, Mapping):
        data = next((data[key] for key in WRAPPERS if key in data), data)
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


def read_setup(path: Path) -> Block:
    """The composition of a set-up file, or of a directory that has one; raises UsageError."""
    file = path / "adapter_setup.json" if path.is_dir() else path
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the saved set-up {file}", why=str(error)) from error
    return load_saved(text, str(file))
