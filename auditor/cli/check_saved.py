"""`adapter-audit check DIRECTORY`: a saved adapter against its base model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import rich_click as click

from .options import exit_code, parsed_reports, report_options, write_reports


@click.command("check")
@click.argument(
    "directories", nargs=-1, required=True, metavar="DIRECTORY...", type=click.Path(path_type=Path)
)
@click.option("--base", metavar="MODEL", help="The base model, in place of the one that the adapter names.")
@click.option("--offline", is_flag=True, help="Do not ask the Hub for the base model's configuration.")
@report_options
@click.option("-v", "--verbose", count=True, help="-vv shows tracebacks.")
@click.option("-q", "--quiet", is_flag=True, help="No report on the terminal, only the exit code.")
def check_command(directories: tuple[Path, ...], base: str | None, offline: bool, **options: Any) -> int:
    """Hold saved adapters to their base model, without loading either.

    DIRECTORY was written by save_adapter() of adapters or by save_pretrained() of peft. Of the base model
    only the configuration is read, of the adapter the header, and the values of its own tensors.
    """
    from ..saved.hold_to_base import check_directory

    parsed_reports(options["reports"])
    results = [check_directory(directory, base, offline=offline) for directory in directories]
    if options["reports"] or not options["quiet"]:
        write_reports(
            results, options["reports"], color=options["color"], show_source=not options["no_source"]
        )
    return int(exit_code(results, options["fail_on"]))
