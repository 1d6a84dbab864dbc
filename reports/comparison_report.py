"""What a report of a comparison is, and how a kind of it is found: by walking `comparison/`.

As for reports of audits, adding one is adding one file.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import ClassVar

import adapter_audit.reports.comparison as package
from adapter_audit.auditor.errors import UsageError
from adapter_audit.auditor.schema.comparison import Comparison

from .report import ReportOptions
from .view.prepare import prepare


class ComparisonReport:
    """Base of all reports of a comparison; a subclass sets `kind` and implements `render`."""

    kind: ClassVar[str]
    """Name on the command line (`--report KIND`)."""
    exact: ClassVar[bool] = False
    """True gets the texts untouched; otherwise control and direction characters arrive spelled out."""
    needs_graph: ClassVar[bool] = False

    def render(self, comparison: Comparison, options: ReportOptions) -> str:
        """The whole document as text, a pure function of its arguments."""
        raise NotImplementedError


def render_comparison(kind: str, comparison: Comparison, options: ReportOptions | None = None) -> str:
    """One document. Raises UsageError when there is no such kind of report."""
    options = options or ReportOptions()
    report = find_comparison(kind)
    pairs = tuple(
        pair.model_copy(
            update={
                "before": prepare(pair.before, report, show_source=options.show_source),
                "after": prepare(pair.after, report, show_source=options.show_source),
            }
        )
        for pair in comparison.pairs
    )
    return report.render(comparison.model_copy(update={"pairs": pairs}), options)


def comparison_kinds() -> tuple[str, ...]:
    """Names of all kinds of report of a comparison, sorted."""
    return tuple(sorted(_registry()))


def find_comparison(kind: str) -> ComparisonReport:
    """The report of that kind; raises UsageError that names the known kinds."""
    try:
        return _registry()[kind]()
    except KeyError:
        known = ", ".join(comparison_kinds())
        raise UsageError(
            f"there is no report kind {kind!r} of a comparison", do=f"use one of {known}"
        ) from None


@cache
def _registry() -> dict[str, type[ComparisonReport]]:
    found: dict[str, type[ComparisonReport]] = {}
    for info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        for value in vars(module).values():
            if isinstance(value, type) and value.__module__ == module.__name__ and hasattr(value, "kind"):
                found[value.kind] = value
    return found
