"""Folders with older releases of `adapters`, for tests: ADAPTER_AUDIT_RELEASES lists them, as PATH does.

`make test` fills it. Each folder holds an `adapters` package, its metadata and what it needs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

NAMED = tuple(Path(p) for p in os.environ.get("ADAPTER_AUDIT_RELEASES", "").split(os.pathsep) if p)


def releases_in(folders: tuple[Path, ...] = NAMED) -> Iterator[tuple[str, Path]]:
    """Release of `adapters` and its folder, for every folder that has one."""
    for folder in folders:
        for distribution in distributions(path=[str(folder)]):
            if distribution.metadata["Name"] == "adapters":
                yield distribution.version, folder


def folders_with(release: str) -> list[Path]:
    """The named folders with this release: none where it was not made available (see the Makefile)."""
    return [folder for version, folder in releases_in() if version == release]


def environment_with(folder: str | Path, **more: str) -> dict[str, str]:
    """The environment of a process that finds the libraries of a folder (or of several, as in PATH) first."""
    path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH", ""))))
    return os.environ | more | {"PYTHONPATH": path}
