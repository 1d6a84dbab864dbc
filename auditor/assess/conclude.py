"""What follows from the facts: the rules' findings, the verdict, and what was covered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..facts.facts import Facts
from ..library.installed import environment
from ..request.left_out import left_out
from ..schema.audit_options import AuditOptions
from ..schema.result import AuditResult, Coverage, Finding, GraphData, Seconds, Severity, Skipped, Verdict
from .gather import Timer


def conclude(facts: Facts, timer: Timer, activity: Any) -> AuditResult:
    """Run the rules on the facts and put the result together."""
    from ..knowledge.published_bugs import with_explanations

    job = facts.job
    findings, skipped = run_rules(facts, job.options)
    here = environment(job.library)
    findings = tuple(with_explanations(f, here) for f in findings)
    unknowns = _unknowns(facts)
    verdict = overall_verdict(findings, unknowns)
    return AuditResult(
        id=job.spec.id,
        verdict=verdict,
        summary=summarise(verdict, facts, findings, unknowns),
        spec=job.spec.plain(),
        environment=here,
        findings=findings,
        coverage=_coverage(facts, unknowns),
        seconds=Seconds(**{k: round(v, 4) for k, v in timer.seconds.items()}),
        axes=facts.axes.sizes(),
        unknowns=unknowns,
        skipped=skipped,
        activity=tuple(activity),
        notes=(*left_out(facts.job), *(facts.probe.notes if facts.probe else ())),
        graph=_graph(facts) if job.options.graph else None,
    )


def run_rules(facts: Facts, options: AuditOptions) -> tuple[tuple[Finding, ...], tuple[Skipped, ...]]:
    """All selected rules whose facts are there; the others are listed with the reason."""
    from adapter_audit.rules._support.registry import rules_of
    from adapter_audit.rules.base import AuditRule

    findings: list[Finding] = []
    skipped: list[Skipped] = []
    for rule in rules_of(AuditRule):
        reason = _not_run(rule.requires, facts)
        if reason:
            skipped.append(Skipped(rule=rule.id, reason=reason))
            continue
        findings.extend(_filtered(rule.check(facts), options))
    order = {s: -s.rank for s in Severity}
    return tuple(sorted(findings, key=lambda f: (f.status != "open", order[f.severity], f.rule))), tuple(
        skipped
    )


def _filtered(findings: Iterator[Finding], options: AuditOptions) -> Iterator[Finding]:
    for finding in findings:
        names = {finding.rule, finding.name}
        chosen = not options.select or bool(names & options.select)
        if chosen and not names & options.ignore:
            yield finding
        else:
            reason = "not selected" if not chosen else "ignored by request"
            yield finding.model_copy(update={"status": "ignored", "status_reason": reason})


def _not_run(requires: str, facts: Facts) -> str:
    if requires == "meta" and facts.static is None:
        return facts.untraced or "the set-up failed, so nothing was traced"
    if requires == "probe" and facts.probe is None:
        return facts.probe_lost or ("the set-up failed" if facts.setup_failure else "not run (--static-only)")
    return ""


def overall_verdict(findings: tuple[Finding, ...], unknowns: tuple[str, ...]) -> Verdict:
    """The worst verdict of the open findings; `unknown` only where nothing was found and some are open."""
    order = list(Verdict)
    verdicts = [f.verdict for f in findings if f.status == "open"]
    worst = max(verdicts, key=order.index, default=Verdict.COMPATIBLE)
    return Verdict.UNKNOWN if worst is Verdict.COMPATIBLE and unknowns else worst


def summarise(
    verdict: Verdict, facts: Facts, findings: tuple[Finding, ...], unknowns: tuple[str, ...]
) -> str:
    """One sentence in plain words."""
    what = f"{facts.tree} on {facts.axes.rows} rows"
    first = next((f for f in findings if f.status == "open" and f.verdict is verdict), None)
    if verdict is Verdict.COMPATIBLE:
        seen = _seen(facts)
        if first is not None and first.severity is Severity.WARNING:
            return (
                f"{what}: it runs and nothing wrong was found on this path, but {first.message.rstrip('.')}."
            )
        return f"{what}: nothing wrong was found ({seen})."
    if verdict is Verdict.UNKNOWN and unknowns:
        return f"{what}: could not be decided: {unknowns[0]}."
    return f"{what}: {first.message.rstrip('.')}." if first else f"{what}: {verdict.value}."


def _seen(facts: Facts) -> str:
    """Which of both halves there is."""
    if facts.static is None:
        return "values were checked, shapes could not be traced"
    return "shapes and values were checked" if facts.probe else "shapes were checked, values were not"


def _unknowns(facts: Facts) -> tuple[str, ...]:
    found: list[str] = []
    if facts.static is not None:
        found += dict.fromkeys(facts.static.trace.unknowns)
        found += [
            f"lane {lane} has nothing to be held to: alone it stops ({stop.kind}: {stop.message})"
            for lane, stop in facts.static.reference_failures.items()
        ]
    if facts.untraced and facts.probe is None and facts.setup_failure is None:
        found.append(facts.untraced)
    if facts.probe_lost:
        found.append(facts.probe_lost.splitlines()[0])
    if facts.probe is not None:
        if facts.probe.death is None:
            found = []  # executed with real values: the shape trace's open questions are answered
        found += [f"{check}: {why}" for check, why in facts.probe.unanswered.items()]
    return tuple(found)


def _coverage(facts: Facts, unknowns: tuple[str, ...]) -> Coverage:
    if facts.static is None:
        return Coverage(unknown=len(unknowns))
    records = facts.static.trace.records
    total = max(1, len(records))
    return Coverage(
        ops=len(records),
        aligned=round(sum(r.twin is not None for r in records) / total, 4),
        known=round(sum(r.lane.value != "unknown" for r in records) / total, 4),
        unknown=len(unknowns),
    )


def _graph(facts: Facts) -> GraphData | None:
    from ..trace.fx_graph import graph_data

    return graph_data(facts.static.trace) if facts.static else None
