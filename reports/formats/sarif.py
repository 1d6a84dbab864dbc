"""SARIF 2.1.0, as GitHub code scanning accepts it.

What code scanning demands beyond the standard, and what follows from it here:
- Every location needs a file: one without refuses the whole upload. So the line that declares the
  composition is the primary location, and places in the library are logical locations and message text.
- Alerts are matched by rule, file and fingerprint. Findings share the declaring line, so the fingerprint is
  our structural one (no line numbers, layer numbers folded), with a count where it repeats.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from adapter_audit.auditor.schema.result import AuditResult, Confidence, Finding, Severity, Verdict
from adapter_audit.auditor.schema.result import Location as Place

from ..report import Report, ReportOptions
from ..view import words
from . import sarif_model as sarif

HOME = "https://adapter-audit.readthedocs.io"
SITE_PACKAGES = "SITEPACKAGES"
NOWHERE = "adapter-audit"
"""Stands for the declaring file where neither it nor a source line is known: a location needs a file."""
PRECISION = {Confidence.CONFIRMED: "very-high", Confidence.CERTAIN: "high", Confidence.LIKELY: "medium"}


class SarifReport(Report):
    """One run with a result for each finding; ignored and baselined ones are marked as suppressed."""

    kind = "sarif"
    suffix = ".sarif"

    def render(self, results: Sequence[AuditResult], options: ReportOptions) -> str:
        """The SARIF log as indented JSON."""
        log = sarif.Log(runs=(_run(results, options),))
        data = log.model_dump(mode="json", by_alias=True, exclude_none=True)
        return json.dumps(data, indent=2, ensure_ascii=True) + "\n"


def _run(results: Sequence[AuditResult], options: ReportOptions) -> sarif.Run:
    pairs = [(result, finding) for result in results for finding in result.findings]
    rules = {finding.rule: finding for _, finding in reversed(pairs)}
    order = sorted(rules)
    seen: Counter[str] = Counter()
    found = []
    for result, finding in pairs:
        seen[finding.fingerprint] += 1
        found.append(_result(result, finding, order, seen[finding.fingerprint], options))
    return sarif.Run(
        tool=sarif.Tool(
            driver=sarif.ToolComponent(
                name="adapter-audit", information_uri=HOME, rules=tuple(_rule(rules[key]) for key in order)
            )
        ),
        invocations=(_invocation(results),),
        original_uri_base_ids={
            SITE_PACKAGES: sarif.BaseDescription(
                description=sarif.Message(text="Where Python packages are installed.")
            )
        },
        results=tuple(found),
    )


def _rule(finding: Finding) -> sarif.ReportingDescriptor:
    return sarif.ReportingDescriptor(
        id=finding.rule,
        name=finding.name,
        short_description=_message(f"{finding.name} (invariant: {finding.invariant.value})"),
        help=_message(f"Run `adapter-audit explain {finding.rule}`, or see {_help_uri(finding)}"),
        help_uri=_help_uri(finding),
        default_configuration=sarif.Configuration(level=finding.severity.value),
        properties={
            "precision": PRECISION[finding.confidence],
            "tags": ["adapters", finding.invariant.value],
        },
    )


def _help_uri(finding: Finding) -> str:
    return f"{HOME}/en/latest/rules/{quote(finding.rule.lower())}/"


def _result(
    result: AuditResult, finding: Finding, rules: list[str], count: int, options: ReportOptions
) -> sarif.Result:
    return sarif.Result(
        rule_id=finding.rule,
        rule_index=rules.index(finding.rule),
        level=finding.severity.value,
        message=_message(_text(result, finding)),
        locations=(_location(finding.primary, options),),
        related_locations=tuple(_related(finding, options)) or None,
        code_flows=_flows(finding, options),
        partial_fingerprints={
            # The name and the form `hash:count` are what code scanning reads.
            "primaryLocationLineHash": f"{finding.fingerprint}:{count}",
            "adapterAudit/v1": f"{finding.fingerprint}:{count}",
        },
        suppressions=_suppressions(finding),
        properties={
            "confidence": finding.confidence.value,
            "verdict": finding.verdict.value,
            "model": words.subject(result).model,
            "compose": words.subject(result).compose,
            "shapes": finding.shapes,
        },
    )


def _text(result: AuditResult, finding: Finding) -> str:
    where = " ".join(part for part in (words.place(finding.primary), finding.primary.code) if part)
    lines = [
        finding.message,
        f"Where: {where}" if where else "",
        f"Module: {finding.primary.module}" if finding.primary.module else "",
        *(f"{name}: {shape}" for name, shape in finding.shapes.items()),
        *(f"To do ({fix.status}): {fix.title}" for fix in words.ordered_fixes(finding)),
        f"Audited: {words.headline(result)}",
    ]
    return "\n".join(line for line in lines if line)


def _message(text: str) -> sarif.Message:
    # `[text](target)` is a link in a SARIF message; nothing from outside may make one.
    return sarif.Message(text=text.replace("](", "] (") or "-")


def _location(
    place: Place, options: ReportOptions, text: str | None = None, number: int | None = None
) -> sarif.Location:
    return sarif.Location(
        id=number,
        physical_location=_physical(place, options),
        logical_locations=(sarif.LogicalLocation(fully_qualified_name=place.module),)
        if place.module
        else None,
        message=_message(text) if text else None,
    )


def _physical(place: Place, options: ReportOptions) -> sarif.PhysicalLocation:
    if options.declared_at:
        file, line = options.declared_at
        return sarif.PhysicalLocation(
            artifact_location=sarif.ArtifactLocation(uri=_uri(file)),
            region=sarif.Region(start_line=max(1, line)),
        )
    if not place.file:
        return sarif.PhysicalLocation(
            artifact_location=sarif.ArtifactLocation(uri=NOWHERE), region=sarif.Region(start_line=1)
        )
    snippet = sarif.Message(text=place.code) if place.code else None
    return sarif.PhysicalLocation(
        artifact_location=sarif.ArtifactLocation(uri=_uri(place.file), uri_base_id=SITE_PACKAGES),
        region=sarif.Region(start_line=max(1, place.line or 1), snippet=snippet),
    )


def _uri(path: str) -> str:
    # Relative to the root of the repository: absolute paths and schemes are dropped by code scanning.
    return quote(path.replace("\\", "/").lstrip("/")) or NOWHERE


def _related(finding: Finding, options: ReportOptions) -> Iterable[sarif.Location]:
    for number, place in enumerate(finding.related, 1):
        yield _location(place, options, f"{words.ROLE[place.role]}: {_described(place)}", number)


def _described(place: Place) -> str:
    parts = (words.place(place), place.code, words.shape(place), place.module)
    return ", ".join(part for part in parts if part)


def _flows(finding: Finding, options: ReportOptions) -> tuple[sarif.CodeFlow, ...] | None:
    steps = []
    for step in finding.evidence:
        place = step.location or Place()
        text = "\n".join(part for part in (step.text, _described(place)) if part)
        steps.append(sarif.ThreadFlowLocation(location=_location(place, options, text)))
    if not steps:
        return None
    return (sarif.CodeFlow(thread_flows=(sarif.ThreadFlow(locations=tuple(steps)),)),)


def _suppressions(finding: Finding) -> tuple[sarif.Suppression, ...] | None:
    if finding.status == "open":
        return None
    reason = f"{finding.status}: {finding.status_reason}" if finding.status_reason else finding.status
    return (sarif.Suppression(justification=reason),)


def _invocation(results: Sequence[AuditResult]) -> sarif.Invocation:
    return sarif.Invocation(
        execution_successful=all(result.error is None for result in results),
        tool_execution_notifications=tuple(note for result in results for note in _notifications(result)),
    )


def _notifications(result: AuditResult) -> Iterable[sarif.Notification]:
    about = words.headline(result)
    if result.error:
        yield sarif.Notification(level=Severity.ERROR.value, message=_message(f"{about}: {result.error}"))
    elif result.verdict is Verdict.UNKNOWN:
        yield sarif.Notification(level="warning", message=_message(f"{about}: {words.summary(result)}"))
    for reason in result.unknowns:
        yield sarif.Notification(level="warning", message=_message(f"{about}: not decided: {reason}"))
    for skip in result.skipped:
        yield sarif.Notification(
            level="note", message=_message(f"{about}: {skip.rule} not run: {skip.reason}")
        )
