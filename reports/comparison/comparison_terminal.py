"""A comparison on the terminal: what broke first, by cause, with the audits that it breaks."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from adapter_audit.auditor.schema.comparison import Comparison, Kind

from ..comparison_report import ComparisonReport
from ..formats.terminal import LONGEST_TEXT, TONE_STYLE
from ..report import ReportOptions
from ..view import comparison_view as view
from ..view import words
from ..view.console_text import console_text
from ..view.prepare import shorten

MAX_AUDITS = {Kind.BROKEN: 12, Kind.LOST: 6}
FEW = 3
"""Audits named one by one for a cause that is no break."""


class ComparisonTerminal(ComparisonReport):
    """Text for a person at a terminal; readable without colour, piped, and at 80 columns."""

    kind = "terminal"

    def render(self, comparison: Comparison, options: ReportOptions) -> str:
        """The report as text, with ANSI codes when `options.color` is set."""
        return console_text(_parts(comparison), options)


def _parts(comparison: Comparison) -> Iterator[RenderableType]:
    yield Text(view.title(comparison), "bold")
    for name, old, new in view.versions(comparison):
        yield Text(f"  {name} {old or 'none'} -> {new or 'none'}", "dim")
    for kind, title in view.TITLE.items():
        for group in view.groups(comparison, kind):
            yield Text()
            yield Text.assemble((f" {title.upper()} ", TONE_STYLE[view.TONE[kind]]), f"  {group.reason}")
            yield Padding(Group(*_group(group)), (0, 0, 0, 2))
    yield Text()
    yield Text(view.tally(comparison), "bold")


def _group(group: view.Group) -> Iterator[RenderableType]:
    if group.cause is not None:
        yield Text(shorten(group.cause.message, LONGEST_TEXT))
        if group.cause.primary.code:
            yield Text(f"{group.cause.primary.line or ''} | {shorten(group.cause.primary.code, 300)}", "bold")
        if group.cause.explanation:
            yield Text(f"known: {shorten(group.cause.explanation, LONGEST_TEXT)}")
    most = MAX_AUDITS.get(group.kind, FEW)
    for pair in group.pairs[:most]:
        yield Text(f"- {view.headline(pair)}")
    if len(group.pairs) > most:
        yield Text(f"- and {words.count(len(group.pairs) - most, 'more audit')}", "dim")
