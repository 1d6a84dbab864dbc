"""The one way of an audit: spec -> build -> traces -> rules -> findings -> result."""

from __future__ import annotations

import platform
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from .collector import without_collector
from .compose import adapter_names, lane_count
from .errors import AuditError, BuildError
from .facts import Axes, Facts
from .models import ModelSource, resolve
from .options import AuditOptions
from .result import (
    AuditResult,
    Coverage,
    Environment,
    Finding,
    GraphData,
    Seconds,
    Severity,
    Skipped,
    Verdict,
)
from .spec import AuditSpec

if TYPE_CHECKING:
    from .build import Subject
    from .facts import ProbeFacts, StaticFacts
    from .probe import Probe


@dataclass
class Timer:
    """Wall seconds by stage."""

    seconds: dict[str, float] = field(default_factory=dict)

    def measure(self, stage: str, started: float) -> None:
        """Add the time since `started` to a stage."""
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - started


def audit(spec: AuditSpec | Mapping[str, object], **options: Any) -> AuditResult:
    """See `adapter_audit.auditor.audit`."""
    request = spec if isinstance(spec, AuditSpec) else AuditSpec.read(dict(spec))
    request.check()
    chosen = AuditOptions(**options)
    return audit_with_files(request, resolve(request.model, offline=chosen.offline), chosen)[0]


def audit_model(model: Any, inputs: Mapping[str, Any] | None = None, **options: Any) -> AuditResult:
    """See `adapter_audit.auditor.audit_model`."""
    from .inhand import is_large, spec_and_source

    request, source = spec_and_source(model, inputs)
    chosen = AuditOptions(**options)
    if is_large(model):
        chosen = replace(chosen, static_only=True)
    return audit_with_files(request, source, chosen)[0]


def audit_with_files(
    spec: AuditSpec, source: ModelSource, options: AuditOptions
) -> tuple[AuditResult, frozenset[str]]:
    """Audit a checked spec; also the source files that the result follows from (see `touched`).

    There are none when a process died on the way: that may be the machine's doing, and is not to be kept.
    """
    from .touched import touched_files

    timer = Timer()
    subject, facts = gather(spec, source, options, timer)
    activity = () if subject.setup_failure else subject.backend.activity(subject.model, facts.names)
    died = bool(facts.probe_lost) or (facts.probe is not None and bool(facts.probe.died))
    files = frozenset[str]() if died else touched_files(subject.model, facts, subject.backend.package)
    result = conclude(spec, facts, options, timer, activity)
    return (_with_fixes(spec, source, facts, result) if options.fixes else result), files


def _with_fixes(spec: AuditSpec, source: ModelSource, facts: Facts, result: AuditResult) -> AuditResult:
    """The result with remedies at its findings, each tried by further audits."""
    from .patches import find_fixes

    started = time.perf_counter()
    fixes = find_fixes(spec, source, facts, result.findings)
    findings = tuple(
        f.model_copy(update={"fixes": fixes.get(f.fingerprint, f.fixes)}) for f in result.findings
    )
    seconds = result.seconds.model_copy(update={"fixes": round(time.perf_counter() - started, 4)})
    return result.model_copy(update={"findings": findings, "seconds": seconds})


def gather(
    spec: AuditSpec, source: ModelSource, options: AuditOptions, timer: Timer
) -> tuple[Subject, Facts]:
    """Build the model and run both halves: everything that rules and fixes are made of."""
    check_environment()
    with without_collector(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what libraries say about themselves is not about the composition
        from .build import build
        from .probe import Probe

        started = time.perf_counter()
        subject = build(spec, source)
        timer.measure("build", started)
        failed = subject.setup_failure is not None
        probe = None if options.static_only or failed else Probe.start(spec, source)
        static = None if failed else _static(subject, probe, timer)
        started = time.perf_counter()
        outcome, lost = _outcome(probe, static)
        timer.measure("probe", started)
    facts = Facts(
        tree=subject.tree,
        axes=_axes(spec, subject.tree),
        names=adapter_names(subject.tree),
        mode=spec.mode,
        static=static,
        probe=outcome,
        probe_lost=lost,
        setup_failure=subject.setup_failure,
    )
    return subject, facts


def _static(subject: Subject, probe: Probe | None, timer: Timer) -> StaticFacts:
    """The static half, while the probe runs beside it; when it fails the probe is not left behind."""
    from .static import static_half

    started = time.perf_counter()
    try:
        return static_half(subject)
    except BaseException:
        if probe is not None:
            probe.cancel()
        raise
    finally:
        timer.measure("meta", started)


def _outcome(probe: Probe | None, static: StaticFacts | None) -> tuple[ProbeFacts | None, str]:
    """What the probe found, or why there is nothing: the static half is worth reporting all the same."""
    from .probe import ProbeLost

    if probe is None:
        return None, ""
    try:
        return probe.wait(static), ""
    except ProbeLost as error:
        return None, f"the probe failed: {error}"


def conclude(
    spec: AuditSpec, facts: Facts, options: AuditOptions, timer: Timer, activity: Any
) -> AuditResult:
    """Run the rules on the facts and put the result together."""
    from .explain import with_explanations

    findings, skipped = run_rules(facts, options)
    findings = tuple(with_explanations(f, environment()) for f in findings)
    unknowns = _unknowns(facts)
    verdict = overall_verdict(findings, unknowns)
    return AuditResult(
        id=spec.id,
        verdict=verdict,
        summary=summarise(verdict, facts, findings, unknowns),
        spec=spec.model_dump(mode="json", exclude_none=True),
        environment=environment(),
        findings=findings,
        coverage=_coverage(facts, unknowns),
        seconds=Seconds(**{k: round(v, 4) for k, v in timer.seconds.items()}),
        axes=facts.axes.sizes(),
        unknowns=unknowns,
        skipped=skipped,
        activity=tuple(activity),
        notes=tuple(facts.probe.notes) if facts.probe else (),
        graph=_graph(facts) if options.graph else None,
    )


def run_rules(facts: Facts, options: AuditOptions) -> tuple[tuple[Finding, ...], tuple[Skipped, ...]]:
    """All selected rules whose facts are there; the others are listed with the reason."""
    from adapter_audit.rules.base import AuditRule
    from adapter_audit.rules.registry import rules_of

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
        return "the set-up failed, so nothing was traced"
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
        seen = "shapes and values were checked" if facts.probe else "shapes were checked, values were not"
        if first is not None and first.severity is Severity.WARNING:
            return f"{what}: it runs and the results are right, but {first.message.rstrip('.')}."
        return f"{what}: nothing wrong was found ({seen})."
    if verdict is Verdict.UNKNOWN and unknowns:
        return f"{what}: could not be decided: {unknowns[0]}."
    return f"{what}: {first.message.rstrip('.')}." if first else f"{what}: {verdict.value}."


def _unknowns(facts: Facts) -> tuple[str, ...]:
    found: list[str] = []
    if facts.static is not None:
        found += dict.fromkeys(facts.static.trace.unknowns)
    if facts.probe_lost:
        found.append(facts.probe_lost.splitlines()[0])
    if facts.probe is not None:
        if not facts.probe.died:
            found = []  # executed with real values: the shape trace's open questions are answered
        found += [f"{check}: {why}" for check, why in facts.probe.skipped.items()]
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
    from .graph import graph_data

    return graph_data(facts.static.trace) if facts.static else None


def _axes(spec: AuditSpec, tree: Any) -> Axes:
    from .inputs import decoder_length

    return Axes(lane_count(tree), spec.rows(), spec.tokens(), decoder_length(spec.tokens()))


REQUIRED = {"torch": ">=2.4", "transformers": ">=4.43,<5", "adapters": ">=1.0,<2"}
"""Supported releases."""


def environment() -> Environment:
    """Versions of what the audit ran with; empty for what is not installed."""
    found = {name: _version(name) for name in REQUIRED}
    return Environment(**found, python=platform.python_version())


def check_environment() -> None:
    """Raise BuildError when a needed library is missing or out of range."""
    from packaging.specifiers import SpecifierSet

    for name, wanted in REQUIRED.items():
        have = _version(name)
        if not have:
            raise BuildError(
                f"{name} is not installed", do="install the extra: pip install 'adapter-audit[models]'"
            )
        if not SpecifierSet(wanted).contains(have.split("+")[0], prereleases=True):
            raise BuildError(
                f"{name} {have} is not supported", why=f"needs {wanted}", do="install another release"
            )


@cache
def _version(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return ""


__all__ = ["AuditError", "AuditOptions", "audit", "audit_model"]
