"""Applies the edits of fixes to the text of a file; everything else stays as it is, byte for byte."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..source.parsed_module import apply_edits

if TYPE_CHECKING:
    from adapter_audit.rules.source_rule import Edit, Flaw

    from .source_file import SourceFile


def fixed_text(source: SourceFile, flaws: Iterable[Flaw]) -> tuple[str, list[Flaw]]:
    """The text with all fixes that do not overlap an earlier one, and the flaws they fix."""
    done = chosen_fixes(flaws)
    return apply_edits(source.text, [edit for flaw in done for edit in flaw.edits]), done


def chosen_fixes(flaws: Iterable[Flaw]) -> list[Flaw]:
    """The flaws whose fixes do not overlap an earlier one, in the order of the text."""
    chosen: list[Edit] = []
    done: list[Flaw] = []
    for flaw in sorted(flaws, key=lambda f: (f.line, f.column)):
        if flaw.edits and not any(_overlap(a, b) for a in flaw.edits for b in chosen):
            chosen.extend(flaw.edits)
            done.append(flaw)
    return done


def _overlap(a: Edit, b: Edit) -> bool:
    if a == b:
        return True
    return (a.line, a.column) < (b.end_line, b.end_column) and (b.line, b.column) < (a.end_line, a.end_column)


def difference(source: SourceFile, new: str, name: str) -> str:
    """A unified diff from the file's text to the new one."""
    before, after = source.lines, replace(source, text=new).lines
    return "".join(difflib.unified_diff(before, after, f"a/{name}", f"b/{name}"))


def write(path: Path, text: str, encoding: str) -> None:
    """Replace a file's content at once, in its own encoding and with its own permissions. Raises OSError."""
    target = path.resolve()
    temporary = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        temporary.write_bytes(text.encode(encoding))
        temporary.chmod(target.stat().st_mode)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
