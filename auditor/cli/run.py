"""`adapter-audit run SCRIPT [ARGS]`: the user's script, and a diagnosis where a model with adapters dies.

Light: nothing is imported before the script that the script would miss in its seconds.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import rich_click as click

from ..errors import AuditError, ExitCode, UsageError
from ..script.blame import dies_without_adapters, explains
from ..script.left_contexts import note_set_ups, set_up_left_by
from ..script.main_module import die_as_python_does, place_in_script, run_as_main
from ..script.model_call import ModelCall, failed_call
from ..script.observed_calls import Observed, Observer

if TYPE_CHECKING:
    from ..schema.result import AuditResult

STOPS = ("crash", "abort", "refused")
"""Verdicts that explain why a call died."""
MOST = 8
"""Compositions that are audited behind a script."""


@click.command("run", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("--check", is_flag=True, help="Audit every composition that the script ran, when it has ended.")
@click.option(
    "--report",
    "reports",
    multiple=True,
    metavar="KIND=FILE",
    help="Write the diagnosis as this report, too; repeatable.",
)
@click.argument("script")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[ARGS]...")
def run_command(check: bool, reports: tuple[str, ...], script: str, arguments: tuple[str, ...]) -> NoReturn:
    """Run a Python script; where a model with adapters dies in it, say why in place of the traceback.

    The model is audited as it is then, with the inputs of the call and the composition that was active. All
    else is as with `python SCRIPT ARGS`: output, results, and the exit code. With --check it is 1, too,
    where a composition that ran is not what it should be.
    """
    _checked(reports)
    note_set_ups()
    observer = Observer()
    if check:
        observer.start()
    try:
        ended = _ended(script, arguments)
    except UsageError:
        raise
    except BaseException as error:
        observer.stop()
        _explained(error, reports)
    observer.stop()
    code = _audited(observer.found.values(), reports) if check else 0
    sys.exit(ended.code or code)


def _ended(script: str, arguments: Sequence[str]) -> SystemExit:
    """How the script ended, by itself or by `sys.exit`."""
    try:
        run_as_main(script, arguments)
    except SystemExit as ended:
        return ended
    return SystemExit(0)


def _checked(reports: Sequence[str]) -> None:
    """Refuse wrong reports before the script starts."""
    if not reports:
        return
    from .options import parsed_reports

    for kind, target in parsed_reports(reports):
        if target is None:
            raise UsageError(f"--report {kind} has no file", why="stdout is the script's")


def _explained(error: BaseException, reports: Sequence[str]) -> NoReturn:
    """The diagnosis of an error, if it is one of a composition, else its traceback; ends the process."""
    call = failed_call(error) if isinstance(error, Exception) else None
    if call is None or dies_without_adapters(call, error):
        die_as_python_does(error)
    try:
        result = _audit(call, set_up_left_by(error))
    except AuditError as failure:
        die_as_python_does(error, f"adapter-audit: the call could not be audited: {failure.line}")
    if result.verdict.value not in STOPS or not explains(result, error):
        told = result.summary or result.verdict.value
        die_as_python_does(
            error, f"adapter-audit: not the composition is what stops this call; its audit says: {told}"
        )
    _report([result], reports)
    words = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    click.echo(f"adapter-audit: the script died of this at {place_in_script(error)}: {words}", err=True)
    sys.exit(1)


def _audit(call: ModelCall, set_up: Any) -> AuditResult:
    """The audit of a call with its own inputs, or with others where these cannot be used."""
    from ..jobs.one_audit import audit_model
    from ..request.given_inputs import checked_inputs

    _settle()
    try:
        inputs = checked_inputs(call.model, call.inputs)
    except UsageError as error:
        click.echo(f"adapter-audit: other inputs than the script's are audited: {error.line}", err=True)
        inputs = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they are not the script's
        return audit_model(call.model, inputs, compose=set_up, mode=call.mode)


def _settle() -> None:
    """What the script printed comes before what is said about it."""
    sys.stdout.flush()


def _audited(found: Iterable[Observed], reports: Sequence[str]) -> int:
    """Audits what ran; the exit code."""
    observed = list(found)
    if not observed:
        click.echo("adapter-audit: no model with active adapters ran", err=True)
        return int(ExitCode.CLEAN)
    results = []
    for seen in observed[:MOST]:
        try:
            results.append(_audit(seen.call, seen.set_up))
        except AuditError as failure:
            click.echo(f"adapter-audit: {seen.set_up} could not be audited: {failure.line}", err=True)
    if observed[MOST:]:
        click.echo(f"adapter-audit: {len(observed) - MOST} more compositions were not audited", err=True)
    if not results:
        return int(ExitCode.CANNOT_BUILD)
    _report(results, reports)
    from .options import exit_code

    return exit_code(results, "error")


def _report(results: Sequence[AuditResult], reports: Sequence[str]) -> None:
    """The terminal report on stderr, the others in their files."""
    from adapter_audit.reports.report import ReportOptions, render

    from .options import write_reports

    colored = sys.stderr.isatty()
    click.echo(render("terminal", results, ReportOptions(color=colored)), err=True, nl=False, color=colored)
    if reports:
        write_reports(results, reports, color="auto")
