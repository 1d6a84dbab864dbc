"""One HTML page of a comparison: causes with their source and chain, and a table of all audits."""

from __future__ import annotations

from dataclasses import dataclass

from adapter_audit.auditor.schema.comparison import Comparison, Kind

from ..comparison_report import ComparisonReport
from ..report import ReportOptions
from ..view import comparison_view as view
from ..view import words
from ..view.html_page import page
from ..view.html_view import FindingView, audit_view


@dataclass(frozen=True)
class CauseView:
    """A group of audits, with what the page shows of their cause."""

    group: view.Group
    finding: FindingView | None


class ComparisonHtml(ComparisonReport):
    """Readable without scripts; one file that works offline."""

    kind = "html"

    def render(self, comparison: Comparison, options: ReportOptions) -> str:  # noqa: ARG002
        """The page."""
        return page(
            "comparison.html.j2",
            ("page.js",),
            title=view.title(comparison),
            tally=[(kind, number) for kind in Kind if (number := len(comparison.of_kind(kind)))],
            versions=view.versions(comparison),
            sections=[
                (kind, title, [_cause(group) for group in found])
                for kind, title in view.TITLE.items()
                if (found := view.groups(comparison, kind))
            ],
            pairs=comparison.pairs,
            tones={kind: view.TONE.get(kind, "plain") for kind in Kind},
            total=len(comparison.pairs),
        )


def _cause(group: view.Group) -> CauseView:
    if group.cause is None:
        return CauseView(group, None)
    first = group.pairs[0]
    shown = audit_view(first.before if group.kind is Kind.FIXED else first.after)
    found = (f for f in shown.findings if f.finding.fingerprint == group.cause.fingerprint)
    return CauseView(group, next(found, None))


__all__ = ["CauseView", "ComparisonHtml", "words"]
