"""Weighted combinations: an adapter that the library makes of others."""

from __future__ import annotations

import re
from typing import Any

from ...schema.composition import OPTIONS, Block

WHOLE = frozenset({"svd_rank"})
"""Options that are whole numbers."""


def combined_name(block: Block) -> str:
    """The name that a combination is added under: names of modules have no dots."""
    return re.sub(r"\W+", "_", str(block)).strip("_")


def arguments(block: Block) -> dict[str, Any]:
    """Weights and options, as `add_weighted_adapter` takes them; equal weights where none are said."""
    count = len(block.children)
    options = {name: _value(name, value) for name, value in block.options}
    return {"weights": list(block.numbers or (1 / count,) * count), **options}


def _value(name: str, value: Any) -> Any:
    return int(value) if name in WHOLE and OPTIONS["weighted"][name] is float else value
