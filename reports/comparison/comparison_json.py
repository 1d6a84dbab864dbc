"""JSON: both results of every audit, and what became of it."""

from __future__ import annotations

import json

from adapter_audit.auditor.schema.comparison import Comparison

from ..comparison_report import ComparisonReport
from ..report import ReportOptions


class ComparisonJson(ComparisonReport):
    """One object; ASCII only, so that no character can hide."""

    kind = "json"
    exact = True

    def render(self, comparison: Comparison, options: ReportOptions) -> str:  # noqa: ARG002
        """The comparison as indented JSON with a line feed at the end."""
        skipped = {"pairs": {"__all__": {"before": {"graph"}, "after": {"graph"}}}}
        return json.dumps(comparison.model_dump(mode="json", exclude=skipped), indent=2) + "\n"
