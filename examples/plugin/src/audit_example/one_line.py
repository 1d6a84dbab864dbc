"""A report: one line a result. It reads results only, and imports no torch."""

from __future__ import annotations

from collections.abc import Sequence

from adapter_audit.auditor.schema.result import AuditResult
from adapter_audit.reports.report import Report, ReportOptions


class OneLine(Report):
    """For logs: `wrong  bert  parallel(a,b)  AA201 AA203`."""

    kind = "one-line"
    suffix = ".log"

    def render(self, results: Sequence[AuditResult], options: ReportOptions) -> str:
        """Verdict, model, composition and the rules of the open findings."""
        lines = (
            "  ".join(
                (
                    result.verdict.value,
                    str(result.spec.get("model", "")),
                    str(result.spec.get("compose", "")),
                    " ".join(f.rule for f in result.findings if f.status == "open"),
                )
            ).rstrip()
            for result in results
        )
        return "".join(f"{line}\n" for line in lines)
