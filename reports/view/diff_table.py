"""A unified diff as rows of a side-by-side table."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

_HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")


@dataclass(frozen=True)
class Row:
    """One row: a file name, a hunk's start, or a line on either side (None where that side has none)."""

    kind: Literal["file", "hunk", "same", "change"]
    text: str = ""
    old_number: int | None = None
    old: str | None = None
    new_number: int | None = None
    new: str | None = None


def side_by_side(diff: str) -> list[Row]:
    """The rows of a unified diff; removed and added lines of one change stand beside each other.

    Lines that are not part of a diff are shown as they are, so that nothing gets lost.
    """
    rows: list[Row] = []
    old = new = 0
    removed: list[tuple[int, str]] = []
    added: list[tuple[int, str]] = []
    in_hunk = False
    for line in diff.splitlines():
        if in_hunk and line[:1] == "-" and not line.startswith("--- "):
            removed.append((old, line[1:]))
            old += 1
            continue
        if in_hunk and line[:1] == "+" and not line.startswith("+++ "):
            added.append((new, line[1:]))
            new += 1
            continue
        rows.extend(_change(removed, added))
        removed, added = [], []
        hunk = _HUNK.match(line)
        if hunk:
            old, new, in_hunk = int(hunk[1]), int(hunk[2]), True
            rows.append(Row("hunk", text=line))
        elif line.startswith(("--- ", "+++ ")) or not in_hunk:
            in_hunk = False
            rows.append(Row("file", text=line))
        else:
            text = line[1:] if line[:1] == " " else line
            rows.append(Row("same", old_number=old, old=text, new_number=new, new=text))
            old, new = old + 1, new + 1
    rows.extend(_change(removed, added))
    return rows


def _change(removed: list[tuple[int, str]], added: list[tuple[int, str]]) -> Iterable[Row]:
    for at in range(max(len(removed), len(added))):
        old_number, old = removed[at] if at < len(removed) else (None, None)
        new_number, new = added[at] if at < len(added) else (None, None)
        yield Row("change", old_number=old_number, old=old, new_number=new_number, new=new)
