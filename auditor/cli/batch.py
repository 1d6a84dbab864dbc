"""`adapter-audit batch SPECS.jsonl`: many audits."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import rich_click as click

from ..errors import ExitCode, UsageError
from .options import report_options, write_atomically, write_reports
from .project import cache_options, chosen_store


@click.command("batch")
@click.argument("specs", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Result lines; default: stdout.")
@click.option("--jobs", type=click.IntRange(1, 256), default=1, show_default=True, help="Processes.")
@click.option("--resume", is_flag=True, help="Keep the finished lines of the output file and do the rest.")
@click.option("--static-only", is_flag=True, help="Shapes only, nothing is executed.")
@click.option("--offline", is_flag=True, help="Do not ask the Hub.")
@cache_options
@report_options
@click.option("-v", "--verbose", count=True)
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def batch_command(specs: Path, output: Path | None, **options: Any) -> int:
    """Audit every spec of a JSONL file: one JSON result a line, in order.

    A spec that cannot be audited gets a result line that says why; it never ends the run.
    """
    from .. import batch

    lines = batch.read_lines(_read(specs))
    if options["resume"] and output is None:
        raise UsageError("--resume needs --output", why="finished lines are read from that file")
    done = batch.finished(output) if options["resume"] and output else {}
    audit_options = {
        "static_only": options["static_only"],
        "offline": options["offline"],
        "store": chosen_store(options),
    }
    with _bar(len(lines), options["quiet"]) as bar:
        _run(lines, output, audit_options, options["jobs"], done, lambda _: bar.update(1))
    results = _load(output) if output else []
    if options["reports"] and results:
        write_reports(
            results,
            options["reports"],
            color=options["color"],
            show_source=not options["no_source"],
            declared_at=options["declared_at"],
        )
    return int(_exit(results, options["fail_on"]))


def _run(lines: Any, output: Path | None, options: Any, jobs: int, done: Any, progress: Any) -> None:
    from .. import batch

    if output is None:
        batch.run(lines, sys.stdout, options, jobs=jobs, progress=progress)
        return
    try:
        sink = _continued(output, lines, done) if done else output.open("w", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {output}", why=error.strerror or str(error)) from error
    with sink:
        rest = lines[len(done) :]
        for _ in done:
            progress("")
        batch.run(rest, sink, options, jobs=jobs, progress=progress)


def _continued(output: Path, lines: Any, done: dict[str, str]) -> Any:
    """Open the output for appending, behind its finished lines; results are in order: they are a prefix."""
    if [line.id for line in lines[: len(done)]] != list(done):
        raise UsageError(f"{output} was not written for these specs", do="remove it or leave --resume out")
    whole = "".join(text + "\n" for text in done.values())
    write_atomically(output, whole)
    return output.open("a", encoding="utf-8")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}", why=str(error)) from error


def _bar(length: int, quiet: bool) -> Any:
    hidden = quiet or not sys.stderr.isatty()
    return click.progressbar(length=length, label="audits", file=sys.stderr, hidden=hidden, show_pos=True)


def _load(output: Path) -> list[Any]:
    from ..result import AuditResult

    texts = output.read_text(encoding="utf-8").splitlines()
    return [AuditResult.model_validate(json.loads(text)) for text in texts]


def _exit(results: list[Any], fail_on: str) -> ExitCode:
    from .options import exit_code

    return exit_code(results, fail_on)
