"""The data step of the HTML report: everything the template shows, worked out here and testable as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from adapter_audit.auditor.schema.result import AuditResult, Finding, Fix, Location

from . import words
from .activity_table import ActivityTable, activity_table
from .chain import Step, chain
from .diff_table import Row, side_by_side
from .graph_elements import page_data
from .prepare import shorten
from .shape_axes import ShapeRow, shape_rows

NEARBY = 4
"""Lines around a source line that are shown when the graph has recorded them."""
LONG = 400
"""Longer option values are folded away."""


@dataclass(frozen=True)
class SourceLine:
    """One line of source; `here` marks the one that a finding is about."""

    number: int | None
    code: str
    here: bool


@dataclass(frozen=True)
class FixView:
    """A remedy with its diff as rows."""

    fix: Fix
    rows: list[Row]


@dataclass(frozen=True)
class FindingView:
    """A finding with everything derived from it."""

    number: int
    finding: Finding
    source: list[SourceLine]
    shapes: list[ShapeRow]
    steps: list[Step]
    fixes: list[FixView]
    also_in: list[str]
    has_slice: bool


@dataclass(frozen=True)
class AuditView:
    """A whole audit."""

    result: AuditResult
    subject: words.Subject
    title: str
    tone: words.Tone
    summary: str
    advice: str
    findings: list[FindingView]
    hidden: list[Finding]
    activity: ActivityTable
    options: list[tuple[str, str, bool]]
    """Name and value of what was asked for, and whether the value is long."""
    graph: dict[str, Any] | None


def audit_view(result: AuditResult) -> AuditView:
    """Work out the page of one audit."""
    found = words.open_findings(result)
    graph = page_data(result.graph, found) if result.graph and result.graph.nodes else None
    slices = graph["slices"] if graph else []
    views = [
        _finding(number, finding, result, has_slice=bool(slices and slices[number]["nodes"]))
        for number, finding in enumerate(found)
    ]
    subject = words.subject(result)
    return AuditView(
        result=result,
        subject=subject,
        title=shorten(f"{result.verdict.value}: {subject.model}, {subject.compose}", 120),
        tone=words.TONE[result.verdict],
        summary=words.summary(result),
        advice=advice(result),
        findings=views,
        hidden=words.hidden_findings(result),
        activity=activity_table(result.activity),
        options=_options(result),
        graph=graph,
    )


def advice(result: AuditResult) -> str:
    """What to do, in one sentence: the best remedy of the worst finding that has one."""
    for finding in words.open_findings(result):
        for fix in words.ordered_fixes(finding):
            if fix.status != "failed":
                proof = " This was tried and works." if fix.status == "verified" else " This was not tried."
                return f"{fix.title.rstrip('.')}.{proof}"
    return ""


def _finding(number: int, finding: Finding, result: AuditResult, *, has_slice: bool) -> FindingView:
    others = [module for module in finding.modules if module != finding.primary.module]
    return FindingView(
        number=number,
        finding=finding,
        source=_source(finding.primary, result),
        shapes=shape_rows(finding.shapes),
        steps=chain(finding),
        fixes=[FixView(fix, side_by_side(fix.diff)) for fix in words.ordered_fixes(finding)],
        also_in=words.fold_modules(others),
        has_slice=has_slice,
    )


def _source(place: Location, result: AuditResult) -> list[SourceLine]:
    """The line, and those around it that the graph happens to know."""
    if not place.code:
        return []
    lines = {}
    if place.line is not None and place.file and result.graph:
        for number in range(place.line - NEARBY, place.line + NEARBY + 1):
            code = result.graph.sources.get(f"{place.file}:{number}")
            if code is not None and number != place.line:
                lines[number] = SourceLine(number, shorten(code, LONG), here=False)
    here = SourceLine(place.line, shorten(place.code, LONG), here=True)
    return (
        [lines[n] for n in sorted(lines) if n < (place.line or 0)]
        + [here]
        + [lines[n] for n in sorted(lines) if n > (place.line or 0)]
    )


def _options(result: AuditResult) -> list[tuple[str, str, bool]]:
    rows = []
    for name, value in result.spec.items():
        if value in (None, False, [], (), {}):
            continue
        if isinstance(value, dict):
            written = ", ".join(f"{key}={item}" for key, item in value.items())
        else:
            written = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
        rows.append((name, written, len(written) > LONG))
    return rows
