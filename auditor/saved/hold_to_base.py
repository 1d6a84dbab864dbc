"""The rules about saved adapters, run on the facts: an ordinary result."""

from __future__ import annotations

import time
from pathlib import Path

from ..library.find_library import library_named, library_names
from ..library.installed import environment
from ..schema.result import AuditResult, Coverage, Environment, Finding, Seconds, Severity, Verdict
from .read_directory import read_directory


def check_directory(directory: Path, base: str | None = None, *, offline: bool = False) -> AuditResult:
    """Hold what was saved in a directory to its base model. Raises AuditError where it cannot be read."""
    from adapter_audit.rules._support.registry import rules_of
    from adapter_audit.rules.saved_rule import SavedRule

    started = time.perf_counter()
    facts, base_name, library = read_directory(directory, base, offline=offline)
    found = [finding for rule in rules_of(SavedRule) for finding in rule.check(facts)]
    findings = tuple(sorted(found, key=lambda f: (-f.severity.rank, f.rule)))
    verdict = _verdict(findings, facts.unknowns)
    return AuditResult(
        verdict=verdict,
        summary=_summary(verdict, findings, len(facts.tensors), base_name, facts.unknowns),
        spec={"model": base_name or str(directory), "check": str(directory)},
        environment=environment(library_named(library)) if library in library_names() else Environment(),
        findings=findings,
        coverage=Coverage(unknown=len(facts.unknowns)),
        seconds=Seconds(build=round(time.perf_counter() - started, 4)),
        unknowns=facts.unknowns,
    )


def _verdict(findings: tuple[Finding, ...], unknowns: tuple[str, ...]) -> Verdict:
    order = list(Verdict)
    worst = max((f.verdict for f in findings), key=order.index, default=Verdict.COMPATIBLE)
    return Verdict.UNKNOWN if worst is Verdict.COMPATIBLE and unknowns else worst


def _summary(
    verdict: Verdict, findings: tuple[Finding, ...], tensors: int, base: str, unknowns: tuple[str, ...]
) -> str:
    """One sentence in plain words."""
    what = f"{tensors} saved tensors" + (f" on {base}" if base else "")
    if findings:
        worst = next((f for f in findings if f.verdict is verdict), findings[0])
        return f"{what}: {worst.message.rstrip('.')}."
    if verdict is Verdict.UNKNOWN or any(f.severity is Severity.ERROR for f in findings):
        return f"{what}: could not be decided: {unknowns[0]}."
    return f"{what}: each of them has its place, and nothing is missing."
