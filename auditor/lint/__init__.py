"""`adapter-audit lint`: source rules on Python files. Imports no torch, and little else.

`run(paths, select, ignore, fix, jobs)` is the Python API.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .engine import run
    from .lint_report import LintReport, render

__all__ = ["LintReport", "render", "run"]


def __getattr__(name: str) -> Any:
    """Load the engine only when it is used: rules import single modules of this package."""
    if name == "run":
        from .engine import run

        return run
    if name in ("LintReport", "render"):
        from . import lint_report

        return getattr(lint_report, name)
    raise AttributeError(name)
