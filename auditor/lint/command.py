"""`adapter-audit lint PATHS...`: the command."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ..errors import ExitCode
from .engine import run
from .lint_report import LintReport, render

FORMATS = ("text", "json", "github", "sarif")
_ANNOTATION = {"error": "error", "warning": "warning", "note": "notice"}


@click.command("lint")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--fix", is_flag=True, help="Write the fixes that are safe; marked [*] in the list.")
@click.option(
    "--select", metavar="RULES", help="Only these rules: ids, beginnings of ids or names, with commas."
)
@click.option("--ignore", metavar="RULES", help="Not these rules.")
@click.option("--format", "kind", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option(
    "--latent", is_flag=True, help="Also list flaws in code that no Parallel reaches in this release."
)
@click.option("--jobs", type=click.IntRange(1, 256), help="Processes; default: one a processor.")
@click.option("-q", "--quiet", is_flag=True, help="No summary on stderr.")
def lint_command(  # noqa: PLR0913, PLR0917 - one parameter an option
    paths: tuple[Path, ...],
    fix: bool,
    select: str | None,
    ignore: str | None,
    kind: str,
    latent: bool,
    jobs: int | None,
    quiet: bool,
) -> int:
    """Check Python files that are written for adapters, or that use them, without importing torch.

    PATHS are files and folders. Exit code: 0 clean, 1 something found, 2 a file could not be checked.
    A line with `# adapter-audit: ignore[AA601] reason` is not reported.
    """
    report = run(paths, _names(select), _names(ignore), fix, jobs)
    click.echo(_rendered(report, kind, latent), nl=False)
    for line in report.problems():
        click.echo(f"adapter-audit: {line}", err=True)
    if not quiet:
        click.echo(f"adapter-audit: {report.summary()}", err=True)
    return report.exit_code


def _names(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def _rendered(report: LintReport, kind: str, latent: bool) -> str:
    if kind == "text":
        return render(report, latent=latent)
    if kind == "github":
        return _github(report)
    from adapter_audit.reports import report as base

    from .convert import to_result

    return base.render(kind, [to_result(report)])


def _github(report: LintReport) -> str:
    """One annotation a flaw, on its own line of the repository."""
    from .lint_report import one_line, shown

    lines = []
    for path, flaw in report.flaws:
        where = (
            f"file={_escaped(shown(path))},line={flaw.line},col={flaw.column},title={flaw.rule} {flaw.name}"
        )
        lines.append(
            f"::{_ANNOTATION[flaw.severity.value]} {where}::{one_line(flaw.message).replace('%', '%25')}\n"
        )
    return "".join(lines)


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace(":", "%3A").replace(",", "%2C")


if __name__ == "__main__":
    code = lint_command.main(standalone_mode=False)
    sys.exit(code if isinstance(code, int) else ExitCode.CLEAN)
