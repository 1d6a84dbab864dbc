"""`adapter-audit --watch`: the declared audits once more whenever a file of the project changes."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import rich_click as click

from ..errors import ExitCode, UsageError
from ..project.settings_file import declared_specs, load_config

SUFFIXES = (".toml", ".json", ".jsonl")
"""What counts beside Python files."""


def watch(asked: str | None, options: dict[str, Any]) -> int:
    """Until Ctrl-C. Raises UsageError where nothing is declared, or watchfiles is not installed.

    Each time in a process of its own, since the project's modules are other ones then; the cache finds again
    what no change concerns.
    """
    if asked:
        raise UsageError(
            "--watch is for declared audits", do="declare it under [[tool.adapter-audit.audits]]"
        )
    file = load_config(options["config"])
    if not declared_specs(file):
        raise UsageError("--watch has nothing to do: no [[tool.adapter-audit.audits]] is declared")
    try:
        from watchfiles import PythonFilter, run_process
    except ImportError as error:
        raise UsageError("--watch needs watchfiles", do="pip install 'adapter-audit[watch]'") from error
    outputs = [target.resolve() for target in _targets(options)]
    click.echo(f"adapter-audit: watching {file.directory.resolve()}, Ctrl-C ends it", err=True)
    run_process(
        file.directory,
        target=shlex.join(command(sys.argv[1:])),
        target_type="command",
        watch_filter=PythonFilter(ignore_paths=outputs, extra_extensions=SUFFIXES),
        callback=lambda changes: _say(len(changes)),
    )
    return int(ExitCode.CLEAN)


def command(arguments: list[str]) -> list[str]:
    """The same request once, without the watching."""
    return [sys.executable, "-m", "adapter_audit.auditor.cli", *(a for a in arguments if a != "--watch")]


def _targets(options: dict[str, Any]) -> list[Path]:
    """Files that an audit writes: to write them is no change."""
    written = [Path(text.partition("=")[2]) for text in options["reports"] if "=" in text]
    return [*written, *(options[name] for name in ("write_baseline", "cache_dir") if options[name])]


def _say(changes: int) -> None:
    click.echo(f"adapter-audit: {changes} changed, once more", err=True)
