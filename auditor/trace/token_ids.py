"""Which token ids a configuration gives a meaning of their own."""

from __future__ import annotations

from typing import Any

from ..knowledge.library_names import TRANSFORMERS


def special_ids(config: Any) -> frozenset[int]:
    """Token ids with a meaning of their own."""
    found: set[int] = set()
    for name in TRANSFORMERS.special_tokens:
        value = getattr(config, name + TRANSFORMERS.token_id, None)
        found.update(value if isinstance(value, (list, tuple)) else [value] if isinstance(value, int) else [])
    return frozenset(found)


def ordinary_token(config: Any) -> int:
    """The smallest token id without a meaning of its own."""
    special = special_ids(config)
    return next(i for i in range(len(special) + 1) if i not in special)
