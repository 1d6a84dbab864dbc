"""What a report is, and how a kind of report is found: by walking this package.

Adding a report is adding one file with one `Report` subclass; nothing else has to know about it.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import adapter_audit.reports.formats as package
from adapter_audit.auditor.errors import UsageError
from adapter_audit.auditor.schema.result import AuditResult

from .view.prepare import prepare


@dataclass(frozen=True)
class ReportOptions:
    """How a report is to look; the same results and options always give the same bytes."""

    show_source: bool = True
    """False leaves source lines, library diffs and quotations of them out."""
    color: bool = False
    """ANSI colours in the terminal report."""
    width: int = 100
    """Columns of the terminal report."""
    declared_at: tuple[str, int] | None = None
    """File in the user's repository and line that declares the composition (SARIF, GitHub)."""
    include_graph: bool = False
    """Write the recorded graph into the JSON report."""
    baseline: tuple[AuditResult, ...] = ()
    """Results of an earlier run, for reports that show what changed."""


class Report:
    """Base of all reports; a subclass sets the class attributes and implements `render`."""

    kind: ClassVar[str]
    """Name on the command line (`--report KIND`)."""
    suffix: ClassVar[str]
    """File name suffix, with its dot."""
    exact: ClassVar[bool] = False
    """True gets the texts untouched; otherwise control and direction characters arrive spelled out."""
    needs_graph: ClassVar[bool] = False
    """True gets `AuditResult.graph`; otherwise it is dropped before rendering."""

    def render(self, results: Sequence[AuditResult], options: ReportOptions) -> str:
        """The whole document as text, a pure function of its arguments."""
        raise NotImplementedError


def render(kind: str, results: Sequence[AuditResult], options: ReportOptions | None = None) -> str:
    """Render results (one for an audit, many for `batch` and `matrix`) as one document.

    Raises UsageError when there is no such kind of report.
    """
    options = options or ReportOptions()
    report = find(kind)
    ready = [prepare(r, report, show_source=options.show_source) for r in results]
    return report.render(ready, options)


def kinds() -> tuple[str, ...]:
    """Names of all kinds of report, sorted."""
    return tuple(sorted(_registry()))


def find(kind: str) -> Report:
    """The report of that kind; raises UsageError that names the known kinds."""
    try:
        return _registry()[kind]()
    except KeyError:
        raise UsageError(f"there is no report kind {kind!r}", do=f"use one of {', '.join(kinds())}") from None


@cache
def _registry() -> dict[str, type[Report]]:
    found: dict[str, type[Report]] = {}
    for info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        for value in vars(module).values():
            if not (isinstance(value, type) and issubclass(value, Report) and value is not Report):
                continue
            if value.__module__ != module.__name__:
                continue
            if found.setdefault(value.kind, value) is not value:
                raise ValueError(f"report kind {value.kind} is used by {found[value.kind]} and {value}")
    return found
