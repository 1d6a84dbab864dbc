"""Adapters of several kinds in one composition: each file of the library knows its own kind only.

In every one of them some child has no modules at all, so all must be repaired before anything runs: the
known patches that the data marks as `mixed` are proposed together, one a file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from ....knowledge.known_patches import KnownPatch, known_patches
from ....schema.composition import adapter_names, walk
from ....source.parsed_module import Module, Sources
from ..adapters_of_file import adapters_read_by, kinds_of, method_files
from ..family import SourceEdit
from .known_patch_family import files_that_ran, fitting, nearness

if TYPE_CHECKING:
    from ....facts.facts import Facts
    from ....schema.result import Finding

DIVIDING_KINDS = frozenset({"average", "batchsplit", "multitask", "parallel"})


class MixedKinds:
    """See the module's docstring."""

    name = "mixed-kinds"
    rank = 0

    def propose(self, facts: Facts, finding: Finding, sources: Sources) -> Iterator[SourceEdit]:
        """One proposal for all files that some, but not all, children are about."""
        mixed = [patch for patch in known_patches() if patch.mixed]
        if len(facts.names) < 2 or all(nearness(patch, finding) is None for patch in mixed):
            return
        files = {module.file: _always(facts, module) for module in _mixed(facts, finding, sources)}
        found: dict[str, SourceEdit] = {}
        for patch in mixed if files else ():
            for module, edit in fitting(patch, facts, sources):
                if module.file in files and _is_chosen(patch, always=files[module.file]):
                    likely = patch.absent_children is not None or module.file in files_that_ran(facts)
                    found.setdefault(module.file, replace(edit, likely=likely))
        ordered = [found[file] for file in files if file in found]
        if len(ordered) > 1:
            yield replace(ordered[0], also=tuple(ordered[1:]))


def _is_chosen(patch: KnownPatch, *, always: bool) -> bool:
    """Of two patches that run children one by one: the one that always does, or where one is absent."""
    return patch.absent_children is None or patch.absent_children is not always


def _mixed(facts: Facts, finding: Finding, sources: Sources) -> Iterator[Module]:
    """Files that some children are about, but not all, or all but with other kinds, where it shows."""
    children = [
        set(adapter_names(c)) for b in walk(facts.tree) if b.kind in DIVIDING_KINDS for c in b.children
    ]
    for file in method_files():
        module = sources.module(file)
        own = adapters_read_by(facts, module) if module is not None else frozenset()
        partial = bool(own) and not all(child & own for child in children)
        differ = file == finding.primary.file and len({kinds_of(facts, name) for name in own}) > 1
        if module is not None and (partial or differ):
            yield module


def _always(facts: Facts, module: Module) -> bool:
    """Whether children are run one by one in any case: an Average weighs all anew, if none is absent, too."""
    averaged = any(b.kind == "average" for b in walk(facts.tree))
    return averaged or len(adapters_read_by(facts, module)) == len(facts.names)


FAMILY = MixedKinds()
