"""Patches of known places of known releases, as data: proposed where they fit, and proven like any other.

`known_patches.json` says what each is about; its diffs lie in `known_diffs/NAME/`, one for each file and
range of releases.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Literal

from packaging.specifiers import SpecifierSet

Near = Literal["stack", "file", "run", "anywhere"]
"""How near a finding must be to the changed code: that is on the stack of what failed, in the finding's file,
or in a file that ran; or anywhere, as the defect is that the code does not run."""


@dataclass(frozen=True)
class KnownPatch:
    """One kind of known patch; `diffs` maps the names of its diffs to the releases that they are for."""

    name: str
    title: str
    reference: str
    """Where it is told what is wrong: an issue, a page of ours, or the place in the library."""
    rank: int
    """As for families: narrow patches come before broad ones."""
    package: str
    """The library that it is for."""
    diffs: Mapping[str, str]
    blocks: tuple[str, ...] = ()
    """Kinds of blocks of which one must have several children; empty for any composition."""
    stops: Near | None = None
    """Nearness to the failure of a run that stops; None where the patch is not about that."""
    departs: Mapping[str, Near] = field(default_factory=dict)
    """Invariant that does not hold -> nearness to its finding."""
    mixed: bool = False
    """Whether it belongs together with others where the children's adapters differ in kind."""
    absent_children: bool | None = None
    """Whether it is for children without modules in the layer only, or for any; None: it tells none apart."""

    def texts(self, release: str) -> tuple[str, ...]:
        """Its diffs for a release of the library."""
        names = (name for name, releases in self.diffs.items() if SpecifierSet(releases).contains(release))
        folder = files(__package__) / "known_diffs" / self.name
        return tuple((folder / name).read_text(encoding="utf-8") for name in names)


@cache
def known_patches() -> tuple[KnownPatch, ...]:
    """All of them, as they stand in the data."""
    text = (files(__package__) / "known_patches.json").read_text(encoding="utf-8")
    return tuple(
        KnownPatch(**{**entry, "blocks": tuple(entry.get("blocks", ()))}) for entry in json.loads(text)
    )
