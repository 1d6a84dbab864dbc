"""`adapter-audit MODEL --compose EXPR`: one audit."""

from __future__ import annotations

from typing import Any

import rich_click as click
from click import get_current_context

from ..errors import UsageError
from ..jobs.cached_audit import audit_cached
from ..request.job import resolved_job
from ..runtime.garbage_collection import garbage_collection_paused
from ..schema.result import AuditResult
from .completion import complete_models
from .declared import run_declared
from .options import exit_code, needs_graph, parsed_reports, report_options, write_reports
from .project import Project, project_options
from .spec_options import make_spec, spec_options
from .watch import watch


@click.command("audit")
@click.argument("model", required=False, shell_complete=complete_models)
@click.argument("directory", required=False)
@spec_options
@click.option(
    "--fix",
    type=click.Choice(["diff", "overlay"]),
    is_flag=False,
    flag_value="diff",
    help="Find remedies and prove them; print the patch, or write an importable overlay to DIRECTORY.",
)
@click.option(
    "--check-releases",
    is_flag=True,
    help="Where something is wrong, audit other releases of adapters, beside the installed one.",
)
@click.option("--static-only", is_flag=True, help="Shapes only, nothing is executed.")
@click.option("--offline", is_flag=True, help="Do not ask the Hub.")
@click.option("--select", metavar="RULES", help="Only these rules.")
@click.option("--ignore", metavar="RULES", help="Not these rules.")
@project_options
@report_options
@click.option("--jobs", type=click.IntRange(1, 256), default=1, help="Processes for declared audits.")
@click.option("--watch", is_flag=True, help="Do the declared audits again whenever the project changes.")
@click.option("-v", "--verbose", count=True, help="-vv shows tracebacks.")
@click.option("-q", "--quiet", is_flag=True, help="No report on the terminal, only the exit code.")
def audit_command(model: str | None, directory: str | None, **options: Any) -> int:
    """Audit one composition of adapters on one model.

    MODEL is a Hub id, a directory or config.json, or package.module:function. Without MODEL and --compose,
    the audits that the project's configuration declares are done.
    """
    reports = parsed_reports(options["reports"])
    if options["watch"]:
        return watch(model or options["compose"], options)
    _check_fix(options, directory, [target for _, target in reports])
    project = Project.of(options, graph=needs_graph(kind for kind, _ in reports))
    if not model and not options["compose"]:
        return run_declared(project, options)
    if not model or not options["compose"]:
        missing = "MODEL" if not model else "--compose"
        raise UsageError(
            f"{missing} is missing", do="for example: adapter-audit t5-base --compose parallel:5"
        )
    get_current_context().with_resource(garbage_collection_paused())
    spec = make_spec(model, options)
    job = resolved_job(spec, project.request, sizes_must_fit=True)
    audited = audit_cached(job, project.store)
    results = project.baselined([project.policy.applied(audited)])
    if options["reports"] or not (options["quiet"] or options["fix"] == "diff"):
        write_reports(
            results,
            options["reports"],
            color=options["color"],
            show_source=not options["no_source"],
            declared_at=options["declared_at"],
        )
    if options["fix"]:
        _give_fix(results[0], options["fix"], directory)
    project.say()
    return int(exit_code(results, project.fail_on))


def _check_fix(options: dict[str, Any], directory: str | None, targets: list[Any]) -> None:
    """Refuse what does not go together, before anything is run."""
    if (options["fix"] == "overlay") != (directory is not None):
        if directory is not None:
            raise UsageError(f"unexpected argument {directory!r}", do="a directory goes with --fix=overlay")
        raise UsageError("--fix=overlay needs a directory", do="write for example --fix=overlay ./patched")
    if options["fix"] and options["static_only"]:
        raise UsageError("--fix and --static-only exclude each other", why="a fix is proven by running it")
    if options["check_releases"] and (options["static_only"] or options["offline"]):
        other = "--static-only" if options["static_only"] else "--offline"
        why = "a release is downloaded and run"
        raise UsageError(f"--check-releases and {other} exclude each other", why=why)
    if options["fix"] == "diff" and options["reports"] and None in targets:
        raise UsageError("the diff goes to stdout", do="give the report a file: --report json=audit.json")


def _give_fix(result: AuditResult, kind: str, directory: str | None) -> None:
    """The verified patch on stdout, or as an overlay; what there is besides it on stderr."""
    from ..fixes import combined_diff, write_overlay

    for fix in dict.fromkeys(
        (f.status, f.kind, f.title) for finding in result.findings for f in finding.fixes
    ):
        click.echo(f"adapter-audit: {fix[1]}, {fix[0]}: {fix[2]}", err=True)
    if kind == "overlay":
        path = write_overlay([f for finding in result.findings for f in finding.fixes], directory or "")
        click.echo(f"adapter-audit: overlay written, use it with PYTHONPATH={path}", err=True)
        return
    diff = combined_diff(result)
    click.echo(diff, nl=False)
    if not diff:
        reason = "nothing is wrong" if result.verdict.value == "compatible" else "no patch could be verified"
        click.echo(f"adapter-audit: no diff: {reason}", err=True)
