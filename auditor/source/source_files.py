"""Where source files lie: relative to site-packages, as findings and diffs name them, and on this machine."""

from __future__ import annotations

import linecache
import os
import sys
import sysconfig
from functools import lru_cache
from pathlib import Path

_PACKAGE = str(Path(__file__).resolve().parents[2]) + os.sep
_STDLIB = sysconfig.get_paths()["stdlib"] + os.sep
_FRAMEWORK = ("torch/", "contextlib.py", "functools.py")


@lru_cache(maxsize=4096)
def relative_file(filename: str) -> str | None:
    """`filename` relative to its site-packages (or as it is), None for what is no model code.

    Not model code: torch, the standard library, this package's engine, code without a file.
    """
    if filename.startswith("<") or _is_engine(filename):
        return None
    for marker in ("site-packages" + os.sep, "dist-packages" + os.sep):
        if marker in filename:
            relative = filename.rpartition(marker)[2].replace(os.sep, "/")
            return None if relative.startswith(_FRAMEWORK) else relative
    return _outside_site_packages(filename)


def _is_engine(filename: str) -> bool:
    """This package's own code, installed or not; its toys are model code like any other."""
    resolved = os.path.realpath(filename)  # as `_PACKAGE` is: the package may be reached by a link
    inside = resolved[len(_PACKAGE) :].split(os.sep) if resolved.startswith(_PACKAGE) else [""]
    return inside[0] in ("auditor", "rules", "reports") and inside[1] != "toys"


def _outside_site_packages(filename: str) -> str | None:
    if filename.startswith(_STDLIB):
        return None
    resolved = os.path.abspath(filename)
    roots = [os.path.abspath(root) + os.sep for root in (_PACKAGE, *sys.path) if root]
    around = [root for root in roots if resolved.startswith(root)]
    if not around:
        return resolved
    # packages may lie in a folder below another one: the working directory, often
    relative = resolved[len(max(around, key=len)) :].replace(os.sep, "/")
    return None if relative.startswith(_FRAMEWORK) else relative


@lru_cache(maxsize=4096)
def absolute_file(file: str) -> str | None:
    """The readable file behind a relative one: the first hit on `sys.path`."""
    if os.path.isabs(file):
        return file
    for root in (*sys.path, _PACKAGE):
        candidate = os.path.join(root or ".", file)
        if os.path.isfile(candidate):
            return candidate
    return None


def source_line(file: str | None, line: int | None) -> str:
    """The stripped source text of a line, empty when it cannot be read."""
    if file is None or line is None:
        return ""
    path = absolute_file(file)
    return linecache.getline(path, line).strip() if path else ""
