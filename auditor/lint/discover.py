"""Which files to check: those named, and all Python files below the folders named."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages", "build", "dist", "venv"})
"""Folders that are not entered; naming one, or a folder inside it, on the command line still checks it."""


def find_files(paths: Sequence[Path]) -> tuple[list[Path], list[tuple[Path, str]]]:
    """Files to check, each once and in order, and paths that cannot be read with the reason."""
    found: dict[str, Path] = {}
    problems: list[tuple[Path, str]] = []
    for path in paths:
        if path.is_dir():
            for file in _below(path, problems):
                found.setdefault(os.path.realpath(file), file)
        elif path.exists():
            found.setdefault(os.path.realpath(path), path)
        else:
            problems.append((path, "no such file or folder"))
    return list(found.values()), problems


def _below(folder: Path, problems: list[tuple[Path, str]]) -> Iterator[Path]:
    def unreadable(error: OSError) -> None:
        problems.append((Path(str(error.filename)), error.strerror or str(error)))

    for parent, folders, files in os.walk(folder, onerror=unreadable):
        folders[:] = sorted(f for f in folders if not _is_skipped(parent, f))
        yield from (Path(parent, name) for name in sorted(files) if name.endswith((".py", ".pyi")))


def _is_skipped(parent: str, name: str) -> bool:
    return name in SKIPPED or name.startswith(".") or os.path.exists(os.path.join(parent, name, "pyvenv.cfg"))
