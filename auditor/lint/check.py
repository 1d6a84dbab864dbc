"""Checks one file: parse once, run the rules, sort out what is ignored, fix what is safe to fix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .ignores import complaints, ignores_in, sort_out
from .source_file import SourceFile, Unreadable

if TYPE_CHECKING:
    from adapter_audit.rules.source_rule import Flaw, SourceRule

MAX_PASSES = 10


@dataclass
class FileReport:
    """Everything found in one file; `error` is set when it could not be checked."""

    path: Path
    error: str = ""
    flaws: list[Flaw] = field(default_factory=list)
    ignored: list[tuple[Flaw, str]] = field(default_factory=list)
    latent: list[Flaw] = field(default_factory=list)
    fixed: list[Flaw] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    complaints: list[tuple[int, str]] = field(default_factory=list)


def check_file(path: Path, rules: Sequence[SourceRule], known: frozenset[str], *, fix: bool) -> FileReport:
    """Check one file, and write its fixes when `fix` is set; a file that cannot be read has an `error`."""
    try:
        source = SourceFile.read(path)
        report = check_source(source, rules, known)
        return _fixed(source, report, rules, known) if fix else report
    except Unreadable as error:
        return FileReport(path, error=str(error))
    except RecursionError:
        return FileReport(path, error="nested too deep to check")


def check_source(source: SourceFile, rules: Sequence[SourceRule], known: frozenset[str]) -> FileReport:
    """Run the rules over a parsed file."""
    report = FileReport(source.path)
    found: list[Flaw] = []
    for rule in rules:
        found.extend(rule.check(source))
    found.sort(key=lambda f: (f.line, f.column, f.rule))
    report.latent = [f for f in found if f.latent]
    ignores = ignores_in(source)
    report.flaws, report.ignored = sort_out((f for f in found if not f.latent), ignores)
    ran = frozenset(key for rule in rules for key in (rule.id, rule.name))
    report.complaints = complaints(ignores, known, ran)
    report.unchecked = [*source.unchecked, *(f"{name}: too large to follow" for name in source.flow.given_up)]
    return report


def _fixed(
    source: SourceFile, report: FileReport, rules: Sequence[SourceRule], known: frozenset[str]
) -> FileReport:
    """Fix until nothing fixable is left; only text that parses is ever written."""
    from .fixing import fixed_text, write

    original, fixed = source, []
    for _ in range(MAX_PASSES):
        if not any(f.fixable for f in report.flaws):
            break
        text, done = fixed_text(source, report.flaws)
        source = SourceFile.parse(text.encode(source.encoding), source.path)
        report = check_source(source, rules, known)
        fixed.extend(done)
    if source is not original:
        try:
            write(source.path, source.text, source.encoding)
        except OSError as error:
            raise Unreadable(f"cannot write the fixed file, {error.strerror or error}") from error
    report.fixed = fixed
    return report
