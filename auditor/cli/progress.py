"""The progress bar of commands that do several audits."""

from __future__ import annotations

import sys
from typing import Any

import rich_click as click


def progress_bar(length: int, quiet: bool) -> Any:
    """A bar of `length` audits on stderr, as a context; hidden where nobody looks at it."""
    hidden = quiet or not sys.stderr.isatty()
    return click.progressbar(length=length, label="audits", file=sys.stderr, hidden=hidden, show_pos=True)
