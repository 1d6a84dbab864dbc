"""JSON: the contract. Exactly the fields of the result, keys in the model's order."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from adapter_audit.auditor.schema.result import AuditResult

from ..report import Report, ReportOptions


class JsonReport(Report):
    """One object for one result, an array for many; ASCII only, so that no character can hide."""

    kind = "json"
    suffix = ".json"
    exact = True
    needs_graph = True

    def render(self, results: Sequence[AuditResult], options: ReportOptions) -> str:
        """The results as indented JSON with a line feed at the end."""
        data = [_plain(result, graph=options.include_graph) for result in results]
        return json.dumps(data[0] if len(data) == 1 else data, indent=2, ensure_ascii=True) + "\n"


def _plain(result: AuditResult, *, graph: bool) -> dict[str, Any]:
    data: dict[str, Any] = result.model_dump(mode="json", exclude=None if graph else {"graph"})
    return data
