"""Proposes one known patch where release and text are as it expects, and the run passes through its code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ....knowledge.known_patches import KnownPatch, Near
from ....library.installed import release_of
from ....schema.composition import adapter_names, walk
from ....schema.verdicts import Verdict
from ....source.parsed_module import Module, Sources
from ..adapters_of_file import adapters_of, left_out_somewhere
from ..family import SourceEdit
from ..suspects import frames_of
from .fitted_diff import FileDiff

if TYPE_CHECKING:
    from ....facts.facts import Facts
    from ....schema.composition import Node
    from ....schema.result import Finding

STOPS = (Verdict.CRASH, Verdict.ABORT)


@dataclass(frozen=True)
class KnownPatchFamily:
    """The family of one entry of the data."""

    patch: KnownPatch

    @property
    def name(self) -> str:
        """The entry's name."""
        return self.patch.name

    @property
    def rank(self) -> int:
        """The entry's rank."""
        return self.patch.rank

    def propose(self, facts: Facts, finding: Finding, sources: Sources) -> Iterator[SourceEdit]:
        """One proposal for each file that the patch is for."""
        near = nearness(self.patch, finding)
        if near is None or not _has_blocks(facts, self.patch.blocks):
            return
        for module, edit in fitting(self.patch, facts, sources):
            own = adapters_of(facts, module)
            absent = not self.patch.absent_children or _may_lack(facts, own, self.patch.blocks)
            if own and absent and _is_near(near, facts, finding, module, edit):
                # Code that does not run is a guess: the defect may be elsewhere.
                yield replace(edit, likely=near != "anywhere" or module.file in files_that_ran(facts))


def nearness(patch: KnownPatch, finding: Finding) -> Near | None:
    """How near a patch must be to a finding; None where it is not about such findings."""
    if finding.invariant == "lanes" and finding.verdict in STOPS:
        return patch.stops
    return patch.departs.get(finding.invariant)


def fitting(patch: KnownPatch, facts: Facts, sources: Sources) -> Iterator[tuple[Module, SourceEdit]]:
    """The patch as edits of the files that it fits as they are now."""
    package = facts.library.package
    release = release_of(package).split("+")[0] if package == patch.package else ""
    for diff in map(FileDiff.parse, patch.texts(release) if release else ()):
        module = sources.module(diff.file)
        edits = diff.edits(module.text) if module is not None else None
        if module is not None and edits:
            yield module, SourceEdit(module.file, edits, patch.title, reference=patch.reference)


def _has_blocks(facts: Facts, kinds: tuple[str, ...]) -> bool:
    return not kinds or any(b.kind in kinds and len(b.children) > 1 for b in walk(facts.tree))


def _may_lack(facts: Facts, own: frozenset[str], kinds: tuple[str, ...]) -> bool:
    """Whether a block's child may have no modules in some layer, where the adapters of `own` have theirs."""
    children: list[Node] = [c for b in walk(facts.tree) if b.kind in kinds for c in b.children]
    complete = all(set(adapter_names(c)) & own for c in children)
    return not complete or len(set(facts.methods.values())) > 1 or left_out_somewhere(facts)


def _is_near(near: Near, facts: Facts, finding: Finding, module: Module, edit: SourceEdit) -> bool:
    if near == "anywhere":
        return True
    if near == "run":
        return module.file in files_that_ran(facts) or finding.primary.file == module.file
    lines = {site.line for site in frames_of(facts, finding) if site.file == module.file}
    if near == "stack" and lines:
        changed = {module.function(e.line) for e in edit.edits} - {None}
        return any(module.function(line) in changed for line in lines)
    return module.file in {place.file for place in (finding.primary, *finding.related)}


def files_that_ran(facts: Facts) -> frozenset[str]:
    """Files with an op of the recorded run."""
    records = facts.static.trace.records if facts.static is not None else ()
    return frozenset(record.site.file for record in records)
