"""`adapter-audit` without a model: the audits that the project declares."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import rich_click as click

from ..cache.store import Store
from ..errors import AuditError, BuildError, ExitCode, UsageError
from ..jobs.cached_audit import audit_cached, lookup
from ..project.settings_file import Declared, declared_specs
from ..request.job import resolved_job
from ..schema.audit_options import AuditOptions
from ..schema.result import AuditResult
from ..schema.spec import AuditSpec
from .options import exit_code, parsed_reports, write_reports
from .project import Project


@dataclass(frozen=True)
class Outcome:
    """A declared audit and what came of it: a result or the reason why there is none."""

    declared: Declared
    result: AuditResult | None = None
    error: AuditError | None = None


def run_declared(project: Project, options: dict[str, Any]) -> int:
    """Audit everything that is declared, report it together, and return the exit code.

    Raises UsageError when nothing is declared. An audit that cannot be done does not stop the others.
    """
    declared = declared_specs(project.file)
    if not declared:
        raise UsageError(
            "MODEL is missing and no configuration declares an audit",
            do="for example: adapter-audit t5-base --compose parallel:5, "
            "or [[tool.adapter-audit.audits]] in pyproject.toml",
        )
    parsed_reports(options["reports"])
    folder = str(project.file.directory.resolve())
    if folder not in sys.path:
        sys.path.insert(0, folder)  # for models that a function of the project makes
    outcomes = [_judged(o, project) for o in _outcomes(declared, project, options["jobs"])]
    results = project.baselined([o.result for o in outcomes if o.result is not None])
    if results and (not options["quiet"] or options["reports"]):
        write_reports(
            results,
            options["reports"],
            color=options["color"],
            show_source=not options["no_source"],
            declared_at=_declared_at(declared),
        )
    project.say()
    by_name = {result.id: result for result in results}
    return max(_code(outcome, by_name.get(outcome.declared.name), project) for outcome in outcomes)


def _declared_at(declared: Sequence[Declared]) -> tuple[str, int] | None:
    """The line that declares what is reported; a report has one such place, so only for a single audit."""
    if len(declared) != 1:
        return None
    return declared[0].file.as_posix(), declared[0].line


def _outcomes(declared: Sequence[Declared], project: Project, jobs: int) -> Iterator[Outcome]:
    """In the order of declaration; torch is imported only when an audit is not in the cache."""
    found = [_looked_up(d, project) for d in declared]
    missing = [o.declared for o in found if o.result is None and o.error is None]
    made = iter(
        _made_by_many(missing, project, jobs) if jobs > 1 and len(missing) > 1 else _made(missing, project)
    )
    for outcome in found:
        yield outcome if outcome.result is not None or outcome.error is not None else next(made)


def _looked_up(declared: Declared, project: Project) -> Outcome:
    try:
        return Outcome(declared, lookup(resolved_job(declared.spec, project.request), project.store))
    except AuditError as error:
        return Outcome(declared, error=error)


def _made(missing: Sequence[Declared], project: Project) -> Iterator[Outcome]:
    for declared in missing:
        yield _outcome(declared, _attempt(declared.spec, project.request, project.store))


def _made_by_many(missing: Sequence[Declared], project: Project, jobs: int) -> Iterator[Outcome]:
    from ..runtime.worker_pool import in_order

    attempt = partial(_attempt, request=project.request, store=project.store)
    attempts = in_order(attempt, [declared.spec for declared in missing], min(jobs, len(missing)))
    for declared, (_, made) in zip(missing, attempts, strict=True):
        died = BuildError("the process died during this audit", do="run it alone with -vv to see more")
        yield _outcome(declared, made) if made is not None else Outcome(declared, error=died)


def _attempt(spec: AuditSpec, request: AuditOptions, store: Store | None) -> AuditResult | tuple[str, int]:
    try:
        return audit_cached(resolved_job(spec, request), store)
    except AuditError as error:
        return error.line, int(error.exit_code)


def _outcome(declared: Declared, attempt: AuditResult | tuple[str, int]) -> Outcome:
    if isinstance(attempt, AuditResult):
        return Outcome(declared, attempt)
    line, code = attempt
    error = AuditError(line)
    error.exit_code = ExitCode(code)
    return Outcome(declared, error=error)


def _judged(outcome: Outcome, project: Project) -> Outcome:
    if outcome.result is None:
        return outcome
    return Outcome(outcome.declared, project.policy.applied(outcome.result, outcome.declared.audit.ignore))


def _code(outcome: Outcome, result: AuditResult | None, project: Project) -> int:
    """The exit code of one audit; what is not as expected is said."""
    declared = outcome.declared
    where = f"{declared.file}:{declared.line}: audit {declared.name!r}"
    if outcome.error is not None or result is None:
        click.echo(
            f"adapter-audit: {where}: {outcome.error.line if outcome.error else 'no result'}", err=True
        )
        return int(outcome.error.exit_code) if outcome.error else int(ExitCode.INTERNAL)
    expected = declared.audit.expect
    if expected is None:
        code = int(exit_code([result], project.fail_on))
        if code:
            click.echo(f"adapter-audit: {where}: {result.verdict.value}", err=True)
        return code
    if result.verdict is expected:
        return int(ExitCode.CLEAN)
    click.echo(
        f"adapter-audit: {where}: expected {expected.value}, but it is {result.verdict.value}", err=True
    )
    return int(ExitCode.FINDINGS)
