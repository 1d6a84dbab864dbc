"""The shipped catalogue: what the `config.json` of well-known checkpoints says, for audits without a network.

One JSON file per model family under `models/`; every entry names where its facts come from and what they were
checked against. The files are read on the first question, not on import, and without torch or transformers.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ...knowledge.library_names import TRANSFORMERS

__all__ = ["CatalogueEntry", "depth", "entries", "lookup", "names", "nearest"]

_FOLDER = Path(__file__).parent / "models"
_SIMILAR_ENOUGH = 0.6
"""Below this ratio (0 to 1) a name is no longer a plausible misspelling."""
_SHORTEST_PART = 2
"""Characters; a single letter is part of nearly every name."""


@dataclass(frozen=True)
class CatalogueEntry:
    """The facts of one checkpoint.

    `parameters` is the published number of parameters of the class named by `counted_on` (the first of the
    architectures if that is None); None where no published number was found.
    """

    id: str
    aliases: tuple[str, ...]
    config: Mapping[str, Any] = field(hash=False)
    source: str
    checked: str
    parameters: int | None = None
    counted_on: str | None = None

    def config_arguments(self) -> dict[str, Any]:
        """Return the arguments of `transformers.AutoConfig.for_model`, `model_type` among them.

        A fresh deep copy at every call: transformers fills in nested values (`rope_scaling`) in place.
        """
        return copy.deepcopy(dict(self.config))


def lookup(name: str) -> CatalogueEntry | None:
    """Return the entry whose id or one of whose aliases is `name`, whatever the case; None without one."""
    return _index().get(name.strip().casefold())


def depth(config: Mapping[str, Any]) -> int:
    """How many layers a configuration states, those of its parts together; 0 where it states none."""
    parts = (config[name] for name in TRANSFORMERS.parts if isinstance(config.get(name), Mapping))
    own = (config[name] for name in TRANSFORMERS.depths if isinstance(config.get(name), int))
    return max(own, default=0) + sum(map(depth, parts))


def names() -> list[str]:
    """Return all ids and aliases, sorted."""
    return sorted(name for entry in entries() for name in (entry.id, *entry.aliases))


def nearest(name: str, n: int = 3) -> list[str]:
    """Return up to `n` known names that `name` may stand for, best first, one a checkpoint.

    A name is compared as a whole and without its organisation: `flan-t5-base` finds `google/flan-t5-base`.
    """
    wanted = name.strip().casefold()
    best = (max((_likeness(wanted, known), known) for known in (e.id, *e.aliases)) for e in entries())
    plausible = [pair for pair in best if pair[0] >= _SIMILAR_ENOUGH]
    return [known for _, known in sorted(plausible, key=lambda pair: (-pair[0], pair[1]))[:n]]


@cache
def entries() -> tuple[CatalogueEntry, ...]:
    """Return all entries, family by family."""
    return tuple(entry for path in sorted(_FOLDER.glob("*.json")) for entry in _read(path))


def _read(path: Path) -> Iterator[CatalogueEntry]:
    for raw in json.loads(path.read_text(encoding="utf-8"))["entries"]:
        raw["aliases"] = tuple(raw["aliases"])
        raw["config"] = MappingProxyType(raw["config"])
        yield CatalogueEntry(**raw)


@cache
def _index() -> dict[str, CatalogueEntry]:
    return _index_of(entries())


def _index_of(known: Iterable[CatalogueEntry]) -> dict[str, CatalogueEntry]:
    """Map every folded name to its entry; a name claimed twice raises ValueError."""
    index: dict[str, CatalogueEntry] = {}
    for entry in known:
        for name in (entry.id, *entry.aliases):
            other = index.setdefault(name.casefold(), entry)
            if other is not entry:
                raise ValueError(f"catalogue: {name!r} names both {other.id!r} and {entry.id!r}")
    return index


def _likeness(wanted: str, known: str) -> float:
    """Return 0 to 1: how well `wanted` fits, with or without the organisation, as a misspelling or a part.

    Parts that begin with a word rank above misspellings, the fuller the higher (`llama-3-8b` means
    `Meta-Llama-3-8B` before `Llama-3.1-8B`); the whole name without its organisation ranks at 0.99.
    """
    known = known.casefold()
    wanted_tail, known_tail = (name.rpartition("/")[2] for name in (wanted, known))
    whole = SequenceMatcher(None, wanted, known).ratio()
    tail = SequenceMatcher(None, wanted_tail, known_tail).ratio()
    is_part = len(wanted_tail) >= _SHORTEST_PART and f"-{wanted_tail}" in f"-{known_tail}"
    part = 0.9 + 0.09 * len(wanted_tail) / len(known_tail) if is_part else 0.0
    return max(whole, 0.99 * tail, part)
