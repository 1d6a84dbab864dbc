"""`adapter-audit render RESULT.json --report KIND[=FILE]`: reports of results that are there already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import rich_click as click
from click import get_current_context
from click.core import ParameterSource

from ..errors import ExitCode
from .options import exit_code, parsed_reports, report_options, write_reports
from .results import read_results


@click.command("render")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--compare", type=click.Path(path_type=Path), help="Results of an earlier run; changes are marked."
)
@report_options
@click.option("-v", "--verbose", count=True, help="-vv shows tracebacks.")
def render_command(files: tuple[Path, ...], **options: Any) -> int:
    """Write reports of saved results, of one audit or of many.

    FILES are written by `--report json=FILE`, `batch -o` or `matrix -o`; - is stdin. Findings do not change
    the exit code unless --fail-on is given.
    """
    parsed_reports(options["reports"])
    results = [result for file in files for result in read_results(file)]
    compared = read_results(options["compare"]) if options["compare"] else []
    write_reports(
        results,
        options["reports"],
        color=options["color"],
        show_source=not options["no_source"],
        compared=compared,
    )
    asked = get_current_context().get_parameter_source("fail_on") is not ParameterSource.DEFAULT
    return int(exit_code(results, options["fail_on"]) if asked else ExitCode.CLEAN)
