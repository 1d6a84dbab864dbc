"""Where an exception was raised, and whether the library said no on purpose."""

from __future__ import annotations

import ast
import traceback
from functools import cache
from pathlib import Path
from typing import Any

LIBRARIES = ("peft", "transformers", "accelerate")


def stop(error: BaseException) -> dict[str, Any]:
    """The exception as data: type, first line of its message, the last frame inside of a library."""
    frames = traceback.extract_tb(error.__traceback__)
    inside = [f for f in frames if _relative(f.filename)]
    last = inside[-1] if inside else frames[-1]
    return {
        "exception": type(error).__name__,
        "message": (str(error).splitlines() or [""])[0][:200],
        "file": _relative(last.filename) or Path(last.filename).name,
        "line": last.lineno,
        "deliberate": bool(frames[-1] is last and last.lineno and _raises(last.filename, last.lineno)),
    }


def ours(error: BaseException) -> bool:
    """Whether the oracle itself failed, not what it called."""
    return Path(traceback.extract_tb(error.__traceback__)[-1].filename).parent == Path(__file__).parent


def _relative(filename: str) -> str | None:
    parts = Path(filename).parts
    for library in LIBRARIES:
        if library in parts and "oracle_peft" not in parts:
            return "/".join(parts[len(parts) - 1 - parts[::-1].index(library) :])
    return None


def _raises(filename: str, line: int) -> bool:
    """Whether the line belongs to a `raise` of a new exception (a bare `raise` passes another one on)."""
    return any(first <= line <= last for first, last in _raise_lines(filename))


@cache
def _raise_lines(filename: str) -> list[tuple[int, int]]:
    tree = ast.parse(Path(filename).read_text(encoding="utf-8"))
    return [
        (n.lineno, n.end_lineno or n.lineno)
        for n in ast.walk(tree)
        if isinstance(n, ast.Raise) and n.exc is not None
    ]
