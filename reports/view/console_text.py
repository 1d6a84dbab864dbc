"""What rich prints, as text: a function of its parts and of the options alone."""

from __future__ import annotations

import io
from collections.abc import Iterable

from rich.console import Console, RenderableType

from ..report import ReportOptions


def console_text(parts: Iterable[RenderableType], options: ReportOptions) -> str:
    """The parts below each other, with ANSI codes when `options.color` is set; at least 40 columns wide."""
    out = io.StringIO()
    console = Console(
        file=out,
        width=max(options.width, 40),
        force_terminal=options.color,
        color_system="standard" if options.color else None,
        no_color=not options.color,
        legacy_windows=False,
        markup=False,
        highlight=False,
        emoji=False,
        # The result is a function of the arguments alone, not of TERM or COLUMNS.
        _environ={},
    )
    for part in parts:
        console.print(part)
    # rich fills lines up to the width; a pipe or a log has no use for that.
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"
