"""Where an exception comes from, and whether the library meant to raise it."""

from __future__ import annotations

import ast
import functools
import linecache
import traceback
from dataclasses import dataclass
from pathlib import Path

import adapters
import transformers

_ROOTS = [Path(str(m.__file__)).parent for m in (adapters, transformers)]
_LIBRARY = _ROOTS[0]


def look_in(folder: Path) -> None:
    """Count a folder of model code among the places that an exception can come from."""
    _ROOTS.append(folder)


@dataclass(frozen=True)
class Blame:
    """The innermost frame of an exception inside the libraries under test."""

    refused: bool
    file: str | None
    """Relative to site-packages."""
    line: int | None
    code: str
    text: str


def blame(error: BaseException) -> Blame:
    """Find the innermost library frame; refused means: an explicit raise or assert of ``adapters`` itself."""
    frames = traceback.extract_tb(error.__traceback__)
    text = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"
    inside = [f for f in frames if relative(f.filename)]
    if not inside:
        return Blame(False, None, None, "", text)
    last = inside[-1]
    line = last.lineno or 0
    refused = last is frames[-1] and _is_under(last.filename, _LIBRARY) and _raises_at(last.filename, line)
    return Blame(
        refused, relative(last.filename), line, linecache.getline(last.filename, line).strip(), text[:300]
    )


def relative(filename: str) -> str | None:
    """Path of a library file relative to the folder the library is installed in, else None."""
    for root in _ROOTS:
        if _is_under(filename, root):
            return str(Path(filename).relative_to(root.parent))
    return None


def _is_under(filename: str, root: Path) -> bool:
    return Path(filename).is_relative_to(root)


def _raises_at(filename: str, line: int) -> bool:
    return any(start <= line <= end for start, end in _raising_spans(filename))


@functools.cache
def _raising_spans(filename: str) -> tuple[tuple[int, int], ...]:
    tree = ast.parse(Path(filename).read_text())
    nodes = [n for n in ast.walk(tree) if isinstance(n, ast.Raise | ast.Assert)]
    return tuple((n.lineno, n.end_lineno or n.lineno) for n in nodes)
