"""What a cell says: compositions, histories and adapter configurations as text.

A composition is `mixed(fr,de,__base__;2,1,1)`, `active(fr,de)` or `weighted(fr,de;1,0;linear)`; a step of a
history is a word with names, `set(de)`; an adapter is `lora[r=4,target_modules=[query,value]]`.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import Any

BASE = "__base__"
"""The name of no adapter in a mixed batch, as peft spells it."""
WEIGHTED = "weighted"
"""The name under which a weighted combination is added."""
_CALL = re.compile(r"(\w+)(?:\((.*)\))?$", re.DOTALL)
_PLAIN = re.compile(r"[A-Za-z_][\w.]*$")


@dataclass(frozen=True)
class Compose:
    """One composition; `numbers` are row counts of `mixed` and weights of `weighted`."""

    kind: str
    names: tuple[str, ...]
    numbers: tuple[float, ...] = ()
    how: str = ""

    def rows(self) -> tuple[str, ...] | None:
        """The adapter of every row of a mixed batch, None for the other kinds."""
        if self.kind != "mixed":
            return None
        counts = self.numbers or (1,) * len(self.names)
        return tuple(n for n, c in zip(self.names, counts, strict=True) for _ in range(int(c)))


def compose(text: str) -> Compose:
    """Read a composition; raises ValueError."""
    kind, inner = call(text)
    if kind not in ("mixed", "active", "weighted"):
        raise ValueError(f"not a composition: {text}")
    names, _, rest = inner.partition(";")
    numbers, _, how = rest.partition(";")
    return Compose(
        kind,
        tuple(n.strip() for n in names.split(",") if n.strip()),
        tuple(float(n) for n in numbers.split(",") if n.strip()),
        how.strip(),
    )


def call(text: str) -> tuple[str, str]:
    """Split `word(inside)`; raises ValueError."""
    found = _CALL.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"neither a word nor a call: {text}")
    return found[1], found[2] or ""


def adapter(text: str) -> tuple[str, dict[str, Any]]:
    """Read `tuner[argument=value,...]` into the tuner's name and its arguments."""
    name, _, inside = text.partition("[")
    arguments = {}
    for part in _split(inside[:-1] if inside else ""):
        key, _, value = part.partition("=")
        arguments[key.strip()] = _value(value.strip())
    return name, arguments


def _split(text: str) -> list[str]:
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "[{(") - (letter in "]})")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [p for p in parts if p.strip()]


def _value(text: str) -> Any:
    if text.startswith("["):
        return [_value(p.strip()) for p in _split(text[1:-1])]
    if text in ("True", "False", "None"):
        return ast.literal_eval(text)
    return text if _PLAIN.fullmatch(text) else ast.literal_eval(text)
