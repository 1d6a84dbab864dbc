"""`adapter-audit batch SPECS.jsonl`: many audits."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import rich_click as click

from ..errors import ExitCode, UsageError
from ..project.fail_on import worse
from ..schema.result import AuditResult
from .options import exit_code, parsed_reports, report_options, write_atomically, write_reports
from .progress import progress_bar
from .project import cache_options, chosen_store

if TYPE_CHECKING:
    from ..jobs.batch_lines import Line


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
    from ..jobs import batch_lines as batch

    _check_reports(options["reports"], output)
    lines = batch.read_lines(_read(specs))
    if options["resume"] and output is None:
        raise UsageError("--resume needs --output", why="finished lines are read from that file")
    done = batch.finished(output) if options["resume"] and output else []
    audit_options = {
        "static_only": options["static_only"],
        "offline": options["offline"],
        "store": chosen_store(options),
    }
    with progress_bar(len(lines), options["quiet"]) as bar, _sink(output, lines, done) as file:
        sink = Judging(file, options["fail_on"], keep=bool(options["reports"]))
        for _, text in done:
            sink.judge(text)
        bar.update(len(done))
        batch.run(
            lines[len(done) :], sink, audit_options, jobs=options["jobs"], progress=lambda _: bar.update(1)
        )
    if sink.failed:
        message = f"{sink.failed} of {len(lines)} specs could not be audited, their lines say why"
        click.echo(f"adapter-audit: {message}", err=True)
    if sink.kept:
        write_reports(
            sink.kept,
            options["reports"],
            color=options["color"],
            show_source=not options["no_source"],
            declared_at=options["declared_at"],
        )
    return int(sink.code)


def _check_reports(kinds: tuple[str, ...], output: Path | None) -> None:
    """Refuse reports that cannot be written, before hours of audits."""
    targets = [target for _, target in parsed_reports(kinds)] if kinds else []
    if output is None and None in targets:
        raise UsageError("the results go to stdout", do="give them a file, -o FILE, or the report")


class Judging:
    """A sink of result lines that remembers the exit code, and the results themselves where a report asks."""

    def __init__(self, file: IO[str], fail_on: str, *, keep: bool) -> None:
        self.file, self.fail_on, self.keep = file, fail_on, keep
        self.code = int(ExitCode.CLEAN)
        self.kept: list[AuditResult] = []
        self.failed = 0
        """Specs that could not be audited."""

    def write(self, text: str) -> None:
        """One line: judged, and into the file."""
        self.judge(text)
        self.file.write(text)

    def flush(self) -> None:
        """Hand on what was written."""
        self.file.flush()

    def judge(self, text: str) -> None:
        """Count the result of one line."""
        result = AuditResult.model_validate_json(text)
        self.failed += bool(result.error)
        self.code = worse(self.code, exit_code([result], self.fail_on))
        if self.keep:
            self.kept.append(result)


def _sink(
    output: Path | None, lines: list[Line], done: list[tuple[str, str]]
) -> AbstractContextManager[IO[str]]:
    """Where the result lines go; what is finished is kept there."""
    if output is None:
        return nullcontext(sys.stdout)
    try:
        return _continued(output, lines, done) if done else output.open("w", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {output}", why=error.strerror or str(error)) from error


def _continued(output: Path, lines: list[Line], done: list[tuple[str, str]]) -> IO[str]:
    """Open the output for appending, behind its finished lines; results are in order: they are a prefix."""
    if [line.id for line in lines[: len(done)]] != [name for name, _ in done]:
        raise UsageError(f"{output} was not written for these specs", do="remove it or leave --resume out")
    write_atomically(output, "".join(text + "\n" for _, text in done))
    return output.open("a", encoding="utf-8")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}", why=str(error)) from error
