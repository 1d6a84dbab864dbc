"""Inline comments that ignore a finding: `# adapter-audit: ignore[AA601] reason`.

A comment counts for its own line, or, alone on a line, for the next line of code. A reason is required.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adapter_audit.rules.source_rule import Flaw

    from .source_file import SourceFile

MARK = "adapter-audit:"
_COMMENT = re.compile(r"#\s*adapter-audit:\s*ignore(?:\[([^\]]*)\])?\s*(.*)$")


@dataclass
class Ignore:
    """One comment; `line` is the line of code it is about, `at` where it stands."""

    at: int
    line: int
    rules: frozenset[str]
    reason: str
    used: set[str] = field(default_factory=set)

    def covers(self, flaw: Flaw) -> bool:
        """The comment is about this flaw's line and rule."""
        return self.line == flaw.line and bool(self.rules & {flaw.rule, flaw.name})


def ignores_in(source: SourceFile) -> list[Ignore]:
    """All ignore comments of a file."""
    if MARK not in source.text:
        return []
    found = []
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        match = _COMMENT.match(token.string) if token.type == tokenize.COMMENT else None
        if match:
            rules = frozenset(r.strip() for r in (match.group(1) or "").split(",") if r.strip())
            row = token.start[0]
            found.append(Ignore(row, _code_line(source, row), rules, match.group(2).strip()))
    return found


def _code_line(source: SourceFile, row: int) -> int:
    while row < len(source.lines) and source.lines[row - 1].strip()[:1] in ("#", ""):
        row += 1
    return row


def sort_out(flaws: Iterable[Flaw], ignores: list[Ignore]) -> tuple[list[Flaw], list[tuple[Flaw, str]]]:
    """Flaws that stay, and those ignored with the reason; an ignore without a reason does nothing."""
    kept: list[Flaw] = []
    ignored: list[tuple[Flaw, str]] = []
    for flaw in flaws:
        match = next((i for i in ignores if i.reason and i.covers(flaw)), None)
        if match is None:
            kept.append(flaw)
        else:
            match.used |= match.rules & {flaw.rule, flaw.name}
            ignored.append((flaw, match.reason))
    return kept, ignored


def complaints(
    ignores: Iterable[Ignore], known: frozenset[str], ran: frozenset[str]
) -> list[tuple[int, str]]:
    """What is wrong with the comments themselves: (line, one line of text).

    `known` are ids and names of all rules, `ran` those of the source rules that ran: only for these can a
    comment be called unused.
    """
    found: list[tuple[int, str]] = []
    for ignore in ignores:
        if not ignore.rules:
            found.append((ignore.at, "ignore comment names no rule; write ignore[AA601] and a reason"))
        for rule in sorted(ignore.rules):
            if rule not in known:
                found.append((ignore.at, f"ignore[{rule}]: there is no such rule"))
            elif not ignore.reason:
                found.append(
                    (ignore.at, f"ignore[{rule}] has no reason and does nothing; write one after it")
                )
            elif rule in ran and rule not in ignore.used:
                found.append((ignore.at, f"ignore[{rule}] is not needed here any more; remove it"))
    return found
