"""Imports patched source instead of installed files, in this process only: nothing installed is touched.

For verification, in a child process that is thrown away. What a user gets is a real folder (`overlay`).
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import ModuleType


class _Finder(importlib.abc.MetaPathFinder):
    """Answers for the patched modules only."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self.files = files

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec of a patched module; a package keeps the installed folder for its other modules."""
        file = self.files.get(fullname)
        if file is None:
            return None
        locations = None
        if file.name == "__init__.py":
            found = importlib.machinery.PathFinder.find_spec(fullname, path)
            locations = list(found.submodule_search_locations or ()) if found else []
        return importlib.util.spec_from_file_location(fullname, file, submodule_search_locations=locations)


def substitute(patched: Mapping[str, str], folder: Path) -> None:
    """Write the texts below `folder` and let imports find them there. Raises OSError."""
    files: dict[str, Path] = {}
    for name, text in patched.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
        files[module_name(name)] = path
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(folder))  # so that source lines are shown from the patched files
    sys.meta_path.insert(0, _Finder(files))


def module_name(file: str) -> str:
    """`adapters/models/x.py` -> `adapters.models.x`; a package's `__init__.py` -> the package."""
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def forget(packages: Iterable[str]) -> None:
    """Drop all modules of these packages, so that they are imported anew."""
    roots = set(packages)
    for name in list(sys.modules):
        if name.split(".", maxsplit=1)[0] in roots:
            del sys.modules[name]
    importlib.invalidate_caches()
