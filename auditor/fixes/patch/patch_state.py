"""A patch as the search sees it: changed files, what was done in them, and what is known about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ...source.parsed_module import OverlappingEdits, Sources, apply_edits
from .family import SourceEdit


@dataclass(frozen=True)
class Patch:
    """A set of changed files, and what is known about it."""

    files: Mapping[str, str] = field(default_factory=dict)
    """Relative file -> patched text."""
    titles: tuple[tuple[str, str], ...] = ()
    """File and, in words, what was done there."""
    references: tuple[tuple[str, str], ...] = ()
    """File and reference of the known patches among the steps."""
    status: str = "unverified"
    reason: str = ""
    jointly: frozenset[str] = frozenset()
    """Files that were changed in a step that changed others for other findings."""

    def title(self) -> str:
        """All steps in words."""
        done = (title for file, title in self.titles if file in self.files)
        return "; ".join(dict.fromkeys(step for title in done for step in title.split("; ")))

    def reference(self) -> str:
        """What is told about its known steps; empty where all are general ones."""
        return "; ".join(dict.fromkeys(text for file, text in self.references if file in self.files))


def applied(state: Patch, edits: Iterable[SourceEdit]) -> Patch | None:
    """The state with more edits made; None when they contradict each other or give no Python."""
    sources, files, titles = Sources(state.files), dict(state.files), list(state.titles)
    references = list(state.references)
    by_file: dict[str, dict[object, SourceEdit]] = {}
    wholes = dict.fromkeys(edits)
    for edit in (part for whole in wholes for part in whole.parts()):
        place = (edit.title, edit.edits[-1].line)  # the same repair, found by two findings
        by_file.setdefault(edit.file, {}).setdefault(place, edit)
    for file, own in by_file.items():
        module = sources.module(file)
        if module is None:
            return None
        try:
            files[file] = apply_edits(module.text, [e for one in own.values() for e in one.edits])
            compile(files[file], file, "exec")
        except (OverlappingEdits, SyntaxError):
            return None
        titles += [(file, e.title) for e in own.values()]
        references += [(file, e.reference) for e in own.values() if e.reference]
    several = len({frozenset(files_of([whole])) for whole in wholes}) > 1
    jointly = state.jointly | (by_file.keys() if several else unlikely(wholes))
    return Patch(files, tuple(dict.fromkeys(titles)), tuple(dict.fromkeys(references)), jointly=jointly)


def files_of(edits: Iterable[SourceEdit]) -> set[str]:
    """The files that edits change."""
    return {part.file for edit in edits for part in edit.parts()}


def unlikely(edits: Iterable[SourceEdit]) -> set[str]:
    """Files whose edits nothing that ran speaks for."""
    return {part.file for edit in edits for part in edit.parts() if not part.likely}
