"""One audit from the job to its result: facts -> rules -> findings -> fixes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..assess.conclude import conclude
from ..assess.gather import Timer, gather
from ..errors import AuditError
from ..facts.facts import Facts
from ..request.job import Job, resolved_job
from ..schema.audit_options import AuditOptions
from ..schema.result import AuditResult, Severity
from ..schema.spec import AuditSpec

if TYPE_CHECKING:
    from packaging.version import Version


def audit(spec: AuditSpec | Mapping[str, object], **options: Any) -> AuditResult:
    """See `adapter_audit.auditor.audit`."""
    request = spec if isinstance(spec, AuditSpec) else AuditSpec.read(dict(spec))
    return run(resolved_job(request, AuditOptions(**options)))


def audit_model(model: Any, inputs: Mapping[str, Any] | None = None, **chosen: Any) -> AuditResult:
    """See `adapter_audit.auditor.audit_model`."""
    from ..request.model_in_hand import job_of_model

    job = job_of_model(model, inputs, chosen)
    with job.library.outside_contexts():
        return run(job)


def run(job: Job) -> AuditResult:
    """The result of a job that was checked. Raises AuditError."""
    return run_with_files(job, files=False)[0]


def run_with_files(job: Job, *, files: bool = True) -> tuple[AuditResult, frozenset[str]]:
    """The result, and the source files that it follows from (see `used_sources`), if asked for.

    See `used_sources`. There are none when a process died on the way: that may be the machine's doing, and
    is not to be kept. Nor is what a package index offers. Raises UsageError when it is to be asked and does
    not answer.
    """
    from ..assess.used_sources import used_source_files

    options = job.options
    releases = _other_releases(job) if options.releases else []
    timer = Timer()
    subject, facts = gather(job, timer)
    activity = () if subject.setup_failure else job.library.activity(subject.model, facts.names)
    died = bool(facts.probe_lost) or (facts.probe is not None and facts.probe.death is not None)
    kept = files and not died and not options.releases
    used = used_source_files(subject.model, facts, job.library.package) if kept else frozenset[str]()
    subject.release()
    result = conclude(facts, timer, activity)
    result = _with_fixes(facts, result) if options.fixes else result
    return (_with_release(job, releases, result) if options.releases else result), used


def _with_fixes(facts: Facts, result: AuditResult) -> AuditResult:
    """The result with remedies at its findings, each tried by further audits."""
    from ..fixes import find_fixes

    started = time.perf_counter()
    fixes = find_fixes(facts, result.findings)
    findings = tuple(
        f.model_copy(update={"fixes": fixes.get(f.fingerprint, f.fixes)}) for f in result.findings
    )
    seconds = result.seconds.model_copy(update={"fixes": round(time.perf_counter() - started, 4)})
    return result.model_copy(update={"findings": findings, "seconds": seconds})


def _other_releases(job: Job) -> list[Version]:
    from ..fixes.release.release_search import other_releases

    return other_releases(job.library)


def _with_release(job: Job, releases: list[Version], result: AuditResult) -> AuditResult:
    """The result with the nearest release that has none of its findings, beside their other fixes."""
    from ..fixes.release.release_search import release_fix

    wanted = [f for f in result.findings if f.status == "open" and f.severity is not Severity.NOTE]
    if not wanted:
        return result
    started = time.perf_counter()
    fix = release_fix(job, releases)
    findings = tuple(
        f.model_copy(update={"fixes": (*f.fixes, fix)}) if f in wanted else f for f in result.findings
    )
    spent = result.seconds.fixes + round(time.perf_counter() - started, 4)
    seconds = result.seconds.model_copy(update={"fixes": spent})
    return result.model_copy(update={"findings": findings, "seconds": seconds})


__all__ = ["AuditError", "AuditOptions", "audit", "audit_model", "run", "run_with_files"]
