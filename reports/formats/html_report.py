"""The HTML report: one file for one audit, or a matrix page for many."""

from __future__ import annotations

from collections.abc import Sequence

from adapter_audit.auditor.schema.result import AuditResult

from ..report import Report, ReportOptions
from ..view.html_page import VENDORED, embedded_json, page
from ..view.html_view import audit_view
from .matrix_report import matrix_page


class HtmlReport(Report):
    """Opens from disk without a network; the findings can be read without scripts."""

    kind = "html"
    suffix = ".html"
    needs_graph = True

    def render(self, results: Sequence[AuditResult], options: ReportOptions) -> str:
        """The page of the audit, or the matrix page when there is not exactly one."""
        if len(results) != 1:
            return matrix_page(results, options)
        view = audit_view(results[0])
        graph_scripts = (*VENDORED, "graph_model.js", "graph_view.js") if view.graph else ()
        return page(
            "audit.html.j2",
            ("page.js", *graph_scripts),
            audit=view,
            graph_json=embedded_json(view.graph) if view.graph else None,
        )
