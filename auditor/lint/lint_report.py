"""What a lint run found, and its text; `convert` makes an audit result of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ExitCode

if TYPE_CHECKING:
    from adapter_audit.rules.source_rule import Flaw

    from .check import FileReport


@dataclass(frozen=True)
class LintReport:
    """All files of a run, in the order they were checked."""

    files: tuple[FileReport, ...]
    seconds: float = 0.0

    @property
    def flaws(self) -> list[tuple[Path, Flaw]]:
        """What is reported: not ignored, not latent, not fixed."""
        return [(file.path, flaw) for file in self.files for flaw in file.flaws]

    @property
    def exit_code(self) -> ExitCode:
        """USAGE when a file could not be checked, else FINDINGS when there is an error or a warning."""
        if any(file.error for file in self.files):
            return ExitCode.USAGE
        serious = any(flaw.severity.rank > 0 for _, flaw in self.flaws)
        return ExitCode.FINDINGS if serious else ExitCode.CLEAN

    def problems(self) -> Iterator[str]:
        """One line for each file that could not be checked, and each ignore comment that is wrong."""
        for file in self.files:
            if file.error:
                yield f"{shown(file.path)}: cannot be checked: {one_line(file.error)}"
            for line, text in file.complaints:
                yield f"{shown(file.path)}:{line}: {text}"

    def summary(self) -> str:
        """Counts of everything, also of what is not shown."""
        files = self.files
        counts = {
            "found": len(self.flaws),
            "fixed": sum(len(f.fixed) for f in files),
            "fixable with --fix": sum(flaw.fixable for _, flaw in self.flaws),
            "ignored": sum(len(f.ignored) for f in files),
            "in code that no Parallel reaches (--latent shows them)": sum(len(f.latent) for f in files),
            "not checked": sum(len(f.unchecked) for f in files),
        }
        parts = [f"{number} {what}" for what, number in counts.items() if number or what == "found"]
        checked = sum(not f.error for f in files)
        return f"{checked} file{'s' * (checked != 1)} checked: {', '.join(parts)}"


def render(report: LintReport, *, latent: bool = False) -> str:
    """`path:line:column: AA601 message`, one line each, ordered by file and place."""
    rows = [(file.path, flaw) for file in report.files for flaw in file.flaws]
    if latent:
        rows += [(file.path, flaw) for file in report.files for flaw in file.latent]
    return "".join(f"{_line(path, flaw)}\n" for path, flaw in rows)


def _line(path: Path, flaw: Flaw) -> str:
    notes = f" [latent: {flaw.latent}]" if flaw.latent else " [*]" if flaw.fixable else ""
    return f"{shown(path)}:{flaw.line}:{flaw.column}: {flaw.rule}{notes} {one_line(flaw.message)}"


def shown(path: Path) -> str:
    """The path, relative where it is below the working directory; unprintable characters are spelled out."""
    text = str(path)
    if path.is_absolute():
        relative = os.path.relpath(path)
        text = text if relative.startswith("..") else relative
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def one_line(text: str) -> str:
    """The text without line breaks."""
    return " ".join(text.split())
