"""Options that several commands share, and what they become."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import rich_click as click

from ..errors import ExitCode, UsageError
from ..project.fail_on import FailOn, worse
from ..schema.result import AuditResult
from .completion import complete_reports

if TYPE_CHECKING:
    from adapter_audit.reports.report import ReportOptions

F = TypeVar("F", bound=Callable[..., Any])


def report_options(function: F) -> F:
    """--report, --fail-on, --color, --no-source."""
    for option in reversed(
        (
            click.option(
                "--report",
                "reports",
                multiple=True,
                metavar="KIND[=FILE]",
                shell_complete=complete_reports,
                help="terminal, json, sarif, html, github, markdown, junit, graph, matrix; repeatable. "
                "Default: terminal.",
            ),
            click.option(
                "--fail-on",
                metavar="LEVEL[,unknown[=CODE]]",
                default="error",
                show_default=True,
                callback=_checked_fail_on,
                help="error, warning, note or never; `unknown` fails too, with exit code CODE (1).",
            ),
            click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto"),
            click.option("--no-source", is_flag=True, help="Leave source lines out of the reports."),
            click.option(
                "--declared-at",
                metavar="FILE:LINE",
                callback=_file_and_line,
                help="Where alerts and annotations appear: the line that declares the audit.",
            ),
        )
    ):
        function = option(function)
    return function


def executor_option(function: F) -> F:
    """--executor."""
    option = click.option(
        "--executor",
        metavar="URL",
        callback=_checked_executor,
        help="dask://HOST:PORT or ray://HOST:PORT: audit on these machines instead of --jobs processes.",
    )
    return option(function)


def _checked_executor(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """The text, once it names an executor that is installed; raises UsageError."""
    from ..jobs.executors import check

    if value:
        check(value)
    return value


def _checked_fail_on(_context: click.Context, _option: click.Parameter, value: str) -> str:
    """The text, once it can be read; raises UsageError."""
    FailOn.read(value)
    return value


def _file_and_line(_context: click.Context, _option: click.Parameter, value: str | None) -> Any:
    """`FILE:LINE` as a pair; raises UsageError."""
    if not value:
        return None
    file, _, line = value.rpartition(":")
    if not file or not line.isdigit() or int(line) < 1:
        raise UsageError(f"--declared-at {value!r} is no place", do="write for example pyproject.toml:12")
    return file, int(line)


def write_reports(
    results: Sequence[AuditResult],
    kinds: Sequence[str],
    *,
    color: str,
    show_source: bool = True,
    compared: Sequence[AuditResult] = (),
    declared_at: tuple[str, int] | None = None,
) -> None:
    """Render each KIND[=FILE]: to the file, or to stdout. Files are written whole or not at all.

    `compared` are results of an earlier run, and `declared_at` the line that declares the one audit.
    """
    from adapter_audit.reports import report as base

    for kind, target in parsed_reports(kinds):
        look = look_of(target, color=color, show_source=show_source)
        options = replace(look, baseline=tuple(compared), declared_at=declared_at)
        give(base.render(kind, results, options), target)


def look_of(target: Path | None, *, color: str, show_source: bool) -> ReportOptions:
    """How a report for a file, or for stdout (None), is to look."""
    from adapter_audit.reports.report import ReportOptions

    return ReportOptions(
        show_source=show_source, color=_use_color(color, target is None), width=_width(target is None)
    )


def give(text: str, target: Path | None) -> None:
    """Write a report to its file, whole or not at all, or to stdout."""
    if target is None:
        click.echo(text, nl=not text.endswith("\n"), color=True)
    else:
        write_atomically(target, text)


def parsed_reports(kinds: Sequence[str], known: Sequence[str] = ()) -> list[tuple[str, Path | None]]:
    """`KIND[=FILE]` pairs; raises UsageError for an unknown kind, or two reports on stdout.

    `known` are the kinds there are, those of audits where nothing is said.
    """
    from adapter_audit.reports import report as base

    known = known or base.kinds()
    pairs: list[tuple[str, Path | None]] = []
    for text in kinds or ("terminal",):
        kind, _, file = text.partition("=")
        if kind not in known:
            raise UsageError(f"unknown report {kind!r}", do=f"known: {', '.join(known)}")
        target = Path(file) if file and file != "-" else None
        if target is not None and not target.absolute().parent.is_dir():
            raise UsageError(f"cannot write {target}", why="its directory does not exist")
        pairs.append((kind, target))
    if sum(target is None for _, target in pairs) > 1:
        raise UsageError(
            "only one report can go to stdout", do="give the others a file: --report html=audit.html"
        )
    return pairs


GRAPH_KINDS = ("html", "graph")
"""Reports that show the recorded graph (JSON could, but no command asks it to)."""


def needs_graph(kinds: Iterable[str]) -> bool:
    """Whether one of these reports shows the recorded graph."""
    return any(kind in GRAPH_KINDS for kind in kinds)


def write_atomically(target: Path, text: str) -> None:
    """Write beside the target and rename, so that nobody sees half a file."""
    temporary = target.with_name(f".{target.name}.partial")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(target)
    except OSError as error:
        raise UsageError(f"cannot write {target}", why=error.strerror or str(error)) from error


def exit_code(results: Sequence[AuditResult], fail_on: str) -> int:
    """FINDINGS when an open finding is at least as severe as asked, else the code that `unknown` has."""
    judge = FailOn.read(fail_on)
    return reduce(worse, map(judge.code, results), int(ExitCode.CLEAN))


def _use_color(color: str, to_stdout: bool) -> bool:
    import os
    import sys

    if color != "auto":
        return color == "always"
    return to_stdout and sys.stdout.isatty() and "NO_COLOR" not in os.environ


def _width(to_stdout: bool) -> int:
    import shutil

    return max(60, min(shutil.get_terminal_size((100, 40)).columns, 200)) if to_stdout else 100
