"""Adapters of several kinds in one composition: each file of the library knows its own kind only.

In every one of them some child has no modules at all, so all must be repaired before anything runs: rows
are composed child by child, adapters are applied to their own rows, and what differs in length is masked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from ....schema.composition import adapter_names, walk
from ....schema.verdicts import IDLE, RELATIONS, STOPS, Cause
from ....source.parsed_module import Module, Sources
from ..adapters_of_file import concerned, kinds_of, method_files
from ..family import SourceEdit
from .each_child_by_itself import DIVIDING_KINDS, by_themselves
from .every_adapter_its_rows import rows_of_every_adapter
from .mask_what_is_padded import masking

if TYPE_CHECKING:
    from ....facts.facts import Facts
    from ....schema.result import Finding

CAUSES = STOPS | IDLE | RELATIONS | {Cause.NOT_EXPANDED, Cause.LANE_DEPARTS}


class EachKindByItself:
    """See the module's docstring."""

    name = "each-kind-by-itself"
    rank = 0

    def propose(self, facts: Facts, finding: Finding, sources: Sources) -> Iterator[SourceEdit]:
        """One proposal for all files that some, but not all, children are about."""
        if finding.cause not in CAUSES or len(facts.names) < 2:
            return
        found = [edit for m in _mixed(facts, finding, sources) if (edit := _repaired(facts, m, sources))]
        if len(found) > 1:
            yield replace(found[0], also=tuple(found[1:]))


def _mixed(facts: Facts, finding: Finding, sources: Sources) -> Iterator[Module]:
    """Files that some children are about, but not all, or all but with other kinds, where it shows."""
    children = [
        set(adapter_names(c)) for b in walk(facts.tree) if b.kind in DIVIDING_KINDS for c in b.children
    ]
    for file in method_files():
        module = sources.module(file)
        own = concerned(facts, module) if module is not None else frozenset()
        partial = bool(own) and not all(child & own for child in children)
        differ = file == finding.primary.file and len({kinds_of(facts, name) for name in own}) > 1
        if module is not None and (partial or differ):
            yield module


def _repaired(facts: Facts, module: Module, sources: Sources) -> SourceEdit | None:
    """Child by child always where it is not the absence of one that counts: an Average weighs all anew."""
    own, averaged = concerned(facts, module), any(b.kind == "average" for b in walk(facts.tree))
    always = averaged or len(own) == len(facts.names)
    composed = by_themselves(module, sources, always=always)
    rows = rows_of_every_adapter(module, sources) if composed is None else None
    if rows is not None:
        ran = facts.static is not None and any(r.site.file == module.file for r in facts.static.trace.records)
        return replace(rows, likely=ran)  # there may be two such files, one for each way to add adapters
    return composed or masking(module)


FAMILY = EachKindByItself()
