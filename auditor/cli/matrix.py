"""`adapter-audit matrix`: every combination of models, methods, compositions and modes."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, get_args

import rich_click as click

from ..errors import UsageError
from ..jobs.batch_lines import run
from ..jobs.matrix_specs import (
    as_lines,
    chosen,
    combinations,
    every_block,
    every_method,
    every_model,
    generates,
    shard,
    split_lists,
)
from ..jobs.result_lines import Line, finished
from ..library.find_library import library_named
from ..request.model_source import resolve
from ..schema.result import AuditResult
from ..schema.spec import AuditSpec, Mask, Mode
from .options import executor_option, exit_code, parsed_reports, report_options, write_reports
from .progress import progress_bar
from .project import cache_options, chosen_store
from .result_file import Done, opened
from .results import read_results, read_results_text

INTERRUPTED = 130
MAKING_TEXT = ("generate", "beam")
_SHARD = re.compile(r"^([1-9]\d*)/([1-9]\d*)$")


@click.command("matrix")
@click.option(
    "--models",
    multiple=True,
    metavar="LIST",
    help="Models, with commas, or patterns (*-base). Default: one of each type in the catalogue.",
)
@click.option("--methods", multiple=True, metavar="LIST", help="Methods, alike. Default: all of the library.")
@click.option(
    "--compose", "composes", multiple=True, metavar="LIST", help="Compositions. Default: each block."
)
@click.option(
    "--mode",
    "modes",
    multiple=True,
    metavar="LIST",
    help="forward, train, generate, beam. Default: all, the last two of models that make text.",
)
@click.option("--without", multiple=True, metavar="LIST", help="Names or patterns of what to leave out.")
@click.option("--library", help="The adapter library.")
@click.option("--mask", type=click.Choice(get_args(Mask)), default="none", show_default=True)
@click.option("--shard", "part", metavar="K/N", help="Only the K-th of N parts; render puts them together.")
@click.option("--jobs", type=click.IntRange(1, 256), default=1, show_default=True, help="Processes.")
@executor_option
@click.option("--static-only", is_flag=True, help="Shapes only, nothing is executed.")
@click.option("--offline", is_flag=True, help="Do not ask the Hub.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Result lines, in order (JSONL).")
@click.option("--resume", is_flag=True, help="Keep the finished lines of the output file and do the rest.")
@click.option(
    "--compare", type=click.Path(path_type=Path), help="Results of an earlier run; changes are marked."
)
@click.option("--list", "listed", is_flag=True, help="Print the specs, one a line, and audit nothing.")
@cache_options
@report_options
@click.option("-v", "--verbose", count=True, help="-vv shows tracebacks.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def matrix_command(**options: Any) -> int:
    """Audit every combination and show the verdicts as a heat map.

    A comma inside brackets does not split: --compose 'parallel:2,stack(a,parallel(b,c))' are two. Ctrl-C
    ends the run with a report of what is done, and --resume goes on with it.
    """
    parsed_reports(options["reports"])
    if options["resume"] and options["output"] is None:
        raise UsageError("--resume needs --output", why="finished lines are read from that file")
    lines = as_lines(_part(_specs(options), options["part"]))
    if options["listed"]:
        for line in lines:
            click.echo(line.text)
        return 0
    compared = read_results(options["compare"]) if options["compare"] else []
    results = _audited(lines, options)
    write_reports(
        results,
        options["reports"],
        color=options["color"],
        show_source=not options["no_source"],
        compared=compared,
    )
    if len(results) < len(lines):
        done = f"{len(results)} of {len(lines)} audits are done"
        more = "; --resume goes on" if options["output"] else ""
        click.echo(f"adapter-audit: interrupted: {done}{more}", err=True)
        return INTERRUPTED
    return int(exit_code(results, options["fail_on"]))


def _specs(options: dict[str, Any]) -> list[AuditSpec]:
    library, offline = library_named(options["library"]), options["offline"]
    models = chosen(options["models"], every_model(), options["without"])
    for model in models:
        if ":" not in model:
            resolve(model, offline=offline)  # a wrong name is answered before hours of audits
    modes = split_lists(options["modes"]) or list(get_args(Mode))
    for mode in modes:
        if mode not in get_args(Mode):
            raise UsageError(f"unknown mode {mode!r}", do=f"known: {', '.join(get_args(Mode))}")
    makers = {model for model in models if options["modes"] or generates(model, offline=offline)}
    return combinations(
        models,
        chosen(options["methods"], every_method(library), options["without"]),
        chosen(options["composes"], every_block(library), options["without"]),
        modes,
        lambda model, mode: mode not in MAKING_TEXT or model in makers,
        mask=options["mask"],
        library=options["library"],
    )


def _part(specs: list[AuditSpec], part: str | None) -> list[AuditSpec]:
    """The K-th of N parts; raises UsageError for a text that is not K/N."""
    if part is None:
        return specs
    found = _SHARD.match(part)
    number, count = map(int, found.groups()) if found else (1, 0)
    if number > count:
        raise UsageError(f"--shard {part!r} is no part", do="write K/N, from 1/N to N/N")
    return shard(specs, number, count)


def _audited(lines: Sequence[Line], options: dict[str, Any]) -> list[AuditResult]:
    """The results, read back from where they were written; fewer than lines after Ctrl-C."""
    request = {
        "static_only": options["static_only"],
        "offline": options["offline"],
        "store": chosen_store(options),
    }
    done = finished(options["output"]) if options["resume"] else []
    with _file(options["output"], lines, done) as file, progress_bar(len(lines), options["quiet"]) as bar:
        bar.update(len(done))
        with suppress(KeyboardInterrupt):  # what is done is worth a report; it shows that it is not all
            run(
                lines[len(done) :],
                file,
                request,
                jobs=options["jobs"],
                executor=options["executor"],
                progress=lambda _: bar.update(1),
            )
        file.flush()
        text = Path(file.name).read_text(encoding="utf-8")
    return read_results_text(text, "the results")


@contextmanager
def _file(output: Path | None, lines: Sequence[Line], done: Done) -> Iterator[IO[str]]:
    if output is None:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".jsonl") as file:
            yield file
    else:
        with opened(output, lines, done) as file:
            yield file
