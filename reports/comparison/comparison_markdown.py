"""Markdown of a comparison, for job summaries and issues."""

from __future__ import annotations

from collections.abc import Iterator

from adapter_audit.auditor.schema.comparison import Comparison

from ..comparison_report import ComparisonReport
from ..formats.markdown import ICON, fenced, fitting, text
from ..report import ReportOptions
from ..view import comparison_view as view
from ..view import words

MAX_AUDITS = 20
"""Audits named one by one for a cause."""


class ComparisonMarkdown(ComparisonReport):
    """A heading with the two environments, then one part for each cause."""

    kind = "markdown"

    def render(self, comparison: Comparison, options: ReportOptions) -> str:  # noqa: ARG002
        """The document, as far as it fits."""
        return fitting(list(_blocks(comparison)))


def _blocks(comparison: Comparison) -> Iterator[str]:
    yield f"## adapter-audit: {text(view.title(comparison))}"
    yield text(view.tally(comparison))
    rows = [["package", "before", "after"], ["---"] * 3, *map(list, view.versions(comparison))]
    yield "\n".join(
        f"| {' | '.join(text(cell) or ' ' if n != 1 else cell for cell in row)} |"
        for n, row in enumerate(rows)
    )
    for kind, title in view.TITLE.items():
        found = view.groups(comparison, kind)
        if found:
            number = words.count(sum(len(group.pairs) for group in found), "audit")
            yield f"### {ICON[view.TONE[kind]]} {title}: {number}, {words.count(len(found), 'cause')}"
        for group in found:
            yield from _group(group)


def _group(group: view.Group) -> Iterator[str]:
    yield f"#### {text(group.reason)}"
    if group.cause is not None:
        yield text(group.cause.message)
        if group.cause.primary.code:
            yield fenced(group.cause.primary.code, "python")
        if group.cause.explanation:
            yield text(group.cause.explanation)
    shown = [f"- {text(view.headline(pair))}" for pair in group.pairs[:MAX_AUDITS]]
    if len(group.pairs) > MAX_AUDITS:
        shown.append(f"- and {words.count(len(group.pairs) - MAX_AUDITS, 'more audit')}")
    yield "\n".join(shown)
