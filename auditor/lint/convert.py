"""From lint reports to the result contract that all report formats read."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING

from ..schema.result import (
    AuditResult,
    Environment,
    Finding,
    Fix,
    Location,
    Seconds,
    Severity,
    Skipped,
    Verdict,
    fingerprint,
)
from .engine import all_source_rules
from .fixing import difference, fixed_text
from .lint_report import shown
from .source_file import SourceFile, Unreadable

if TYPE_CHECKING:
    from adapter_audit.rules.source_rule import Flaw

    from .check import FileReport
    from .lint_report import LintReport


def to_result(report: LintReport) -> AuditResult:
    """A whole run as one result; unreadable files make a clean verdict `unknown`."""
    findings = tuple(f for file in report.files for f in _findings(file))
    unreadable = [f"{shown(f.path)}: {f.error}" for f in report.files if f.error]
    return AuditResult(
        verdict=_verdict(findings, bool(unreadable)),
        summary=report.summary(),
        spec={"lint": [shown(f.path) for f in report.files]},
        environment=Environment(python=platform.python_version()),
        findings=findings,
        seconds=Seconds(build=round(report.seconds, 3)),
        unknowns=tuple(unreadable),
        skipped=tuple(
            Skipped(rule="AA606" if "forward" in why else "AA601", reason=f"{shown(f.path)}: {why}")
            for f in report.files
            for why in f.unchecked
        ),
        notes=tuple(f"{shown(f.path)}:{line}: {text}" for f in report.files for line, text in f.complaints),
    )


def _findings(file: FileReport) -> list[Finding]:
    diffs = _diffs(file)
    found = [_finding(file.path, flaw, diffs.get(i, "")) for i, flaw in enumerate(file.flaws)]
    found += [
        _finding(file.path, flaw, "").model_copy(update={"status": "ignored", "status_reason": reason})
        for flaw, reason in file.ignored
    ]
    found += [
        _finding(file.path, flaw, "").model_copy(
            update={"severity": Severity.NOTE, "status": "ignored", "status_reason": flaw.latent}
        )
        for flaw in file.latent
    ]
    return found


def _diffs(file: FileReport) -> dict[int, str]:
    """Index of a fixable flaw -> what its fix would change; empty when the file is gone by now."""
    if not any(flaw.fixable for flaw in file.flaws):
        return {}
    try:
        source = SourceFile.read(file.path)
    except Unreadable:
        return {}
    name = shown(file.path)
    return {
        index: difference(source, fixed_text(source, [flaw])[0], name)
        for index, flaw in enumerate(file.flaws)
        if flaw.fixable
    }


def _finding(path: Path, flaw: Flaw, diff: str) -> Finding:
    rule = next(r for r in all_source_rules() if r.id == flaw.rule)
    fixes = (Fix(title="adapter-audit lint --fix", kind="library-patch", diff=diff),) if diff else ()
    return Finding(
        rule=flaw.rule,
        name=flaw.name,
        invariant=rule.invariant,
        severity=flaw.severity,
        confidence=rule.confidence,
        verdict=rule.verdict,
        message=flaw.message,
        primary=Location(file=shown(path), line=flaw.line, code=flaw.code),
        fixes=fixes,
        fingerprint=fingerprint(flaw.rule, shown(path), flaw.code, ""),
    )


def _verdict(findings: tuple[Finding, ...], unreadable: bool) -> Verdict:
    order = list(Verdict)
    worst = max(
        (f.verdict for f in findings if f.status == "open"), key=order.index, default=Verdict.COMPATIBLE
    )
    return Verdict.UNKNOWN if unreadable and worst is Verdict.COMPATIBLE else worst
