"""Unified diffs of patches, with paths below site-packages, and the strict reverse: a diff onto a text."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping

from ...errors import UsageError
from ...schema.result import AuditResult, Fix
from ...source.parsed_module import installed_text

NO_NEWLINE = "\\ No newline at end of file\n"
_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+\d+(?:,\d+)? @@")


def unified(patched: Mapping[str, str]) -> str:
    """The diff from the installed files to the patched texts.

    `patch -p1` takes it in site-packages, `git apply` in a checkout (of `adapters`: with `--directory=src`).
    """
    return "".join(_one(file, installed_text(file) or "", text) for file, text in sorted(patched.items()))


def _one(file: str, before: str, after: str) -> str:
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    lines = difflib.unified_diff(old, new, f"a/{file}", f"b/{file}")
    return "".join(line if line.endswith("\n") else f"{line}\n{NO_NEWLINE}" for line in lines)


def combined_diff(result: AuditResult) -> str:
    """All verified library patches of a result as one diff, each once; empty when there is none."""
    return "".join(verified_diffs(fix for finding in result.findings for fix in finding.fixes))


def verified_diffs(fixes: Iterable[Fix]) -> tuple[str, ...]:
    """The distinct diffs of the verified library patches among `fixes`."""
    diffs = (f.diff for f in fixes if f.kind == "library-patch" and f.status == "verified" and f.diff)
    return tuple(dict.fromkeys(diffs))


def patched_files(diffs: Iterable[str]) -> dict[str, str]:
    """File -> its installed text with the diffs made. Raises UsageError when a diff does not fit."""
    files: dict[str, str] = {}
    for diff in diffs:
        for file, hunks in _files(diff):
            text = files.get(file) or installed_text(file)
            if text is None:
                raise UsageError(f"{file} is not installed", why="the fix changes it", do="audit again")
            files[file] = _changed(file, text, hunks)
    return files


def _files(diff: str) -> Iterator[tuple[str, list[str]]]:
    current, lines = "", []  # type: str, list[str]
    for line in diff.splitlines(keepends=True):
        if line.startswith("--- a/"):
            if current:
                yield current, lines
            current, lines = line[len("--- a/") :].split("\t")[0].strip(), []
        elif not line.startswith("+++ b/"):
            lines.append(line)
    if current:
        yield current, lines


def _changed(file: str, text: str, hunk_lines: list[str]) -> str:
    old, new, at = text.splitlines(keepends=True), [], 0
    for line in hunk_lines:
        start = _HUNK.match(line)
        if start:
            first = int(start[1]) - (start[2] != "0")
            new += old[at:first]
            at = first
        elif line == NO_NEWLINE:
            new[-1:] = [new[-1].removesuffix("\n")] if new and new[-1].endswith("\n") else new[-1:]
        elif line[0] == "+":
            new.append(line[1:])
        else:
            if at >= len(old) or old[at].rstrip("\n") != line[1:].rstrip("\n"):
                raise UsageError(
                    f"the fix does not fit {file}", why="the installed file changed", do="audit again"
                )
            new += [old[at]] if line[0] == " " else []
            at += 1
    return "".join(new + old[at:])
