"""`adapter-audit matrix`: every combination of models, methods and compositions."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, get_args

import rich_click as click

from ..errors import UsageError
from ..jobs.batch_lines import Line, run
from ..jobs.matrix_specs import as_lines, combinations, split_lists
from ..request.model_source import resolve
from ..schema.result import AuditResult
from ..schema.spec import Mask, Mode
from .options import exit_code, parsed_reports, report_options, write_reports
from .progress import progress_bar
from .project import cache_options, chosen_store
from .results import read_results, read_results_text


@click.command("matrix")
@click.option(
    "--models", multiple=True, required=True, metavar="LIST", help="Models, with commas; repeatable."
)
@click.option("--methods", multiple=True, default=("lora",), show_default=True, metavar="LIST")
@click.option(
    "--compose", "composes", multiple=True, default=("parallel:2",), show_default=True, metavar="LIST"
)
@click.option("--mode", type=click.Choice(get_args(Mode)), default="forward", show_default=True)
@click.option("--mask", type=click.Choice(get_args(Mask)), default="none", show_default=True)
@click.option("--jobs", type=click.IntRange(1, 256), default=1, show_default=True, help="Processes.")
@click.option("--static-only", is_flag=True, help="Shapes only, nothing is executed.")
@click.option("--offline", is_flag=True, help="Do not ask the Hub.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Result lines, in order (JSONL).")
@click.option(
    "--compare", type=click.Path(path_type=Path), help="Results of an earlier run; changes are marked."
)
@cache_options
@report_options
@click.option("-v", "--verbose", count=True, help="-vv shows tracebacks.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def matrix_command(**options: Any) -> int:
    """Audit every combination and show the verdicts as a heat map.

    A comma inside brackets does not split: --compose 'parallel:2,stack(a,parallel(b,c))' are two.
    """
    parsed_reports(options["reports"])
    models = split_lists(options["models"])
    specs = combinations(
        models,
        split_lists(options["methods"]),
        split_lists(options["composes"]),
        mode=options["mode"],
        mask=options["mask"],
    )
    for model in models:
        if ":" not in model:
            resolve(model, offline=options["offline"])  # a wrong name is answered before hours of audits
    compared = read_results(options["compare"]) if options["compare"] else []
    results = _audited(as_lines(specs), options)
    write_reports(
        results,
        options["reports"],
        color=options["color"],
        show_source=not options["no_source"],
        compared=compared,
    )
    return int(exit_code(results, options["fail_on"]))


def _audited(lines: Sequence[Line], options: dict[str, Any]) -> list[AuditResult]:
    request = {
        "static_only": options["static_only"],
        "offline": options["offline"],
        "store": chosen_store(options),
    }
    kept = io.StringIO()
    with _sink(options["output"], kept) as sink, progress_bar(len(lines), options["quiet"]) as bar:
        run(lines, sink, request, jobs=options["jobs"], progress=lambda _: bar.update(1))
    return read_results_text(kept.getvalue(), "the results")


class _Tee(io.TextIOBase):
    """Writes to a file, and keeps what was written."""

    def __init__(self, file: IO[str], kept: io.StringIO) -> None:
        super().__init__()
        self.file, self.kept = file, kept

    def write(self, text: str) -> int:
        self.kept.write(text)
        return self.file.write(text)

    def flush(self) -> None:
        if not self.file.closed:
            self.file.flush()

    def close(self) -> None:
        self.file.close()
        super().close()


def _sink(output: Path | None, kept: io.StringIO) -> Any:
    if output is None:
        return _Kept(kept)
    try:
        return _Tee(output.open("w", encoding="utf-8"), kept)
    except OSError as error:
        raise UsageError(f"cannot write {output}", why=error.strerror or str(error)) from error


class _Kept(_Tee):
    """Only keeps."""

    def __init__(self, kept: io.StringIO) -> None:
        super().__init__(io.StringIO(), kept)
