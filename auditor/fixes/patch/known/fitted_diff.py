"""A diff as edits of a text that it fits strictly: each hunk's old lines stand there exactly once.

Line numbers are not looked at: what other patches insert before a hunk moves it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

from ....source.parsed_module import Edit

_START = re.compile(r"^@@ .*@@.*\n", re.MULTILINE)
_FILE = re.compile(r"^--- a/(.+)\n\+\+\+ b/.+\n", re.MULTILINE)


@dataclass(frozen=True)
class FileDiff:
    """The hunks of one file: lines with their sign, without line ends."""

    file: str
    hunks: tuple[tuple[str, ...], ...]

    @classmethod
    def parse(cls, diff: str) -> FileDiff:
        """Raises ValueError for a diff that is not of one file."""
        header, *more = _FILE.finditer(diff)
        if more:
            raise ValueError(f"a known diff changes one file, not {len(more) + 1}")
        _, *hunks = _START.split(diff[header.end() :])
        return cls(header[1], tuple(tuple(hunk.splitlines()) for hunk in hunks))

    def edits(self, text: str) -> tuple[Edit, ...] | None:
        """What it changes in the text; None where it does not fit."""
        lines = text.splitlines()
        found: list[Edit] = []
        for hunk in self.hunks:
            start = _only_place(lines, [line[1:] for line in hunk if line[0] != "+"])
            if start is None:
                return None
            found += _edits(hunk, start)
        return tuple(found)


def _only_place(lines: list[str], block: list[str]) -> int | None:
    """Index of the first line of a block that stands in the text once."""
    places = [n for n in range(len(lines)) if lines[n] == block[0] and lines[n : n + len(block)] == block]
    return places[0] if len(places) == 1 else None


def _edits(hunk: tuple[str, ...], start: int) -> Iterator[Edit]:
    """One edit for each run of changed lines; `start` is the index of the hunk's first line."""
    line, old, new = start, list[str](), list[str]()
    for signed in (*hunk, " "):
        if signed[0] == " ":
            if old or new:
                yield _edit(line - len(old) + 1, old, new)
            old, new = [], []
        (old if signed[0] == "-" else new if signed[0] == "+" else []).append(signed[1:])
        line += signed[0] != "+"


def _edit(line: int, old: list[str], new: list[str]) -> Edit:
    """Old lines from `line` on become new ones; of a single line, only what differs in it."""
    if not old:
        return Edit(line, 0, line, 0, "".join(f"{text}\n" for text in new))
    if len(old) == len(new) == 1:
        start = _alike(old[0], new[0])
        rest, added = old[0][start:], new[0][start:]
        end = _alike(rest[::-1], added[::-1])
        first, last = len(old[0][:start].encode()), len(old[0][: len(old[0]) - end].encode())
        return Edit(line, first, line, last, added[: len(added) - end])
    return Edit(line, 0, line + len(old) - 1, len(old[-1].encode()), "\n".join(new))


def _alike(one: str, other: str) -> int:
    """How many characters two texts begin with in common."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
