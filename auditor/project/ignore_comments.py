"""Comments in model code that ignore a finding: `# adapter-audit: ignore[AA101] reason`.

A comment counts for the primary line of a finding, on that line or alone on the lines directly above it. A
reason is required: without one the comment does nothing, and that is said.
"""

from __future__ import annotations

import linecache
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..schema.result import Finding, Location
from ..source.source_files import absolute_file

_COMMENT = re.compile(r"#\s*adapter-audit:\s*ignore(?:\[([^\]]*)\])?\s*(.*?)\s*$")


@dataclass(frozen=True)
class Comment:
    """An ignore comment and where it stands; `file` is relative to site-packages."""

    file: str
    line: int
    rules: frozenset[str]
    reason: str


def comment_about(finding: Finding) -> Comment | None:
    """The comment that names the finding's rule at its primary line."""
    wanted = {finding.rule.lower(), finding.name.lower()}
    return next((c for c in _comments_at(finding.primary) if c.rules & wanted), None)


def _comments_at(place: Location) -> Iterator[Comment]:
    path = absolute_file(place.file) if place.file and place.line else None
    if path is None or place.file is None or place.line is None:
        return
    linecache.checkcache(path)
    line = place.line
    yield from _parsed(linecache.getline(path, line), place.file, line)
    while line > 1 and linecache.getline(path, line - 1).lstrip().startswith("#"):
        line -= 1
        yield from _parsed(linecache.getline(path, line), place.file, line)


def _parsed(text: str, file: str, line: int) -> Iterator[Comment]:
    match = _COMMENT.search(text)
    if match:
        rules = frozenset(r.strip().lower() for r in (match.group(1) or "").split(",") if r.strip())
        yield Comment(file, line, rules, match.group(2))
