"""What a patch family is: it reads facts and one finding, and proposes edits of library source.

A family knows a cause (an operand that was not replicated, a stale batch size), never a model or a class.
Its proposals are guesses: whether one becomes a fix is decided by auditing the patched library
(`search`). A family's file is all there is to it; the registry is the package walk.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Protocol

from ...knowledge.known_patches import known_patches
from ...knowledge.library_names import ADAPTERS
from ...schema.verdicts import STOPS, Cause
from ...source.parsed_module import Edit, Sources

if TYPE_CHECKING:
    from ...facts.facts import Facts
    from ...schema.result import Finding


@dataclass(frozen=True)
class SourceEdit:
    """One proposal: edits of one file, and of others, that belong together."""

    file: str
    """Relative to site-packages."""
    edits: tuple[Edit, ...]
    title: str
    """What it does, in words."""
    likely: bool = True
    """Whether anything that ran speaks for it; the others come last."""
    also: tuple[SourceEdit, ...] = ()
    """Edits of other files, without which this one is of no use."""
    reference: str = ""
    """Where it is told what a known patch mends; empty for a general repair."""

    def parts(self) -> tuple[SourceEdit, ...]:
        """One for each file."""
        return (self, *(part for other in self.also for part in other.parts()))


class PatchFamily(Protocol):
    """A kind of repair. Instances have no state."""

    @property
    def name(self) -> str:
        """What it is called, as its file is."""
        ...

    @property
    def rank(self) -> int:
        """Families of a lower rank are asked first: narrow repairs before broad ones."""
        ...

    def propose(self, facts: Facts, finding: Finding, sources: Sources, /) -> Iterator[SourceEdit]:
        """Proposals for one finding, the likeliest first; none when the finding is not of this kind."""
        ...


@cache
def families() -> tuple[PatchFamily, ...]:
    """Known patches in the data's order, then general families (`FAMILY` of each module), by rank."""
    from . import general as package
    from .known import mixed_kinds
    from .known.known_patch_family import KnownPatchFamily

    modules = (
        importlib.import_module(f"{package.__name__}.{m.name}")
        for m in pkgutil.iter_modules(package.__path__)
    )
    known = map(KnownPatchFamily, known_patches())
    found: list[PatchFamily] = [mixed_kinds.FAMILY, *known, *(m.FAMILY for m in modules)]
    return tuple(sorted(found, key=lambda family: family.rank))


def proposals(facts: Facts, finding: Finding, sources: Sources) -> tuple[SourceEdit, ...]:
    """What all families propose for a finding, without repetitions.

    Where values depart, or the library itself stops, families of one rank are heard first about that file.
    """
    where = finding.primary.file or ""
    local = finding.cause is Cause.LANE_DEPARTS or (
        finding.cause in STOPS and where.startswith(f"{ADAPTERS.package}/")
    )
    found = [(family.rank, edit) for family in families() for edit in family.propose(facts, finding, sources)]

    def place(ranked: tuple[int, SourceEdit]) -> tuple[bool, int, bool]:
        rank, edit = ranked
        return not edit.likely, rank, local and all(part.file != where for part in edit.parts())

    return tuple(dict.fromkeys(edit for _, edit in sorted(found, key=place)))
