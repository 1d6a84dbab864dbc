"""The file that result lines go to: written as they come, continued where an earlier run left it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO

from ..errors import UsageError
from ..jobs.result_lines import Line
from .options import write_atomically

Done = Sequence[tuple[str, str]]
"""Ids and texts of the lines that an earlier run finished."""


def opened(output: Path, lines: Sequence[Line], done: Done) -> IO[str]:
    """The output file; what is finished is kept there. Raises UsageError."""
    try:
        return _continued(output, lines, done) if done else output.open("w", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {output}", why=error.strerror or str(error)) from error


def _continued(output: Path, lines: Sequence[Line], done: Done) -> IO[str]:
    """Open the output for appending, behind its finished lines; results are in order: they are a prefix."""
    if [line.id for line in lines[: len(done)]] != [name for name, _ in done]:
        raise UsageError(f"{output} was not written for these specs", do="remove it or leave --resume out")
    write_atomically(output, "".join(text + "\n" for _, text in done))
    return output.open("a", encoding="utf-8")
