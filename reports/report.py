"""What a report is, and how a kind of report is found: by walking this package, and by the entry points
`adapter_audit.reports`, which name modules.

Adding a report is adding one file with one `Report` subclass; nothing else has to know about it.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from types import ModuleType
from typing import ClassVar

import adapter_audit.reports.formats as package
from adapter_audit.auditor.errors import UsageError
from adapter_audit.auditor.schema.result import AuditResult

from .view.prepare import prepare

ENTRY_POINT_GROUP = "adapter_audit.reports"


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
    """Raises ValueError when two reports share a kind."""
    found: dict[str, type[Report]] = {}
    for module in (*_package_modules(), *_plugin_modules()):
        for report in _reports_in(module):
            if found.setdefault(report.kind, report) is not report:
                raise ValueError(f"report kind {report.kind} is used by {found[report.kind]} and {report}")
    return found


def _package_modules() -> list[ModuleType]:
    names = sorted(info.name for info in pkgutil.iter_modules(package.__path__))
    return [importlib.import_module(f"{package.__name__}.{name}") for name in names]


def _plugin_modules() -> list[ModuleType]:
    return [importlib.import_module(point.value) for point in entry_points(group=ENTRY_POINT_GROUP)]


def _reports_in(module: ModuleType) -> list[type[Report]]:
    return [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Report) and value.__module__ == module.__name__
    ]
