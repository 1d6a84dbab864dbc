"""Where an op came from: the innermost line of model code on the Python stack."""

from __future__ import annotations

import dis
import linecache
import os
import re
import sys
import sysconfig
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from types import FrameType, TracebackType

from .records import Site

_PACKAGE = str(Path(__file__).resolve().parents[2]) + os.sep
_STARTER = str(Path(__file__).with_name("runs.py"))
_STDLIB = sysconfig.get_paths()["stdlib"] + os.sep
_RAISE = dis.opmap["RAISE_VARARGS"]
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
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


def current_site(frame: FrameType | None) -> Site | None:
    """The innermost model-code line at or above `frame`, up to where the run was started.

    None for ops that no model code asked for: those of the backward pass.
    """
    while frame is not None and frame.f_code.co_filename != _STARTER:
        file = relative_file(frame.f_code.co_filename)
        if file is not None:
            return Site(file, frame.f_lineno, frame.f_code.co_name)
        frame = frame.f_back
    return None


def stack_sites(frame: FrameType | None) -> tuple[Site, ...]:
    """All model-code lines at or above `frame`, innermost first, up to where the run was started."""
    sites = []
    while frame is not None and frame.f_code.co_filename != _STARTER:
        file = relative_file(frame.f_code.co_filename)
        if file is not None:
            sites.append(Site(file, frame.f_lineno, frame.f_code.co_name))
        frame = frame.f_back
    return tuple(sites)


def traceback_sites(traceback: TracebackType | None) -> tuple[Site, ...]:
    """Model-code lines of a traceback, innermost first."""
    sites = [
        Site(file, tb.tb_lineno, tb.tb_frame.f_code.co_name)
        for tb in _chain(traceback)
        if (file := relative_file(tb.tb_frame.f_code.co_filename)) is not None
    ]
    return tuple(reversed(sites))


def told(error: BaseException) -> str:
    """What an exception says, without the addresses of objects: they differ from run to run."""
    return _ADDRESS.sub("", str(error))


def is_deliberate(traceback: TracebackType | None, package: str) -> bool:
    """Whether the exception left a `raise` or `assert` statement of `package` (e.g. `adapters`)."""
    chain = list(_chain(traceback))
    if not chain:
        return False
    last = chain[-1]
    file = relative_file(last.tb_frame.f_code.co_filename) or ""
    return file.startswith(package + "/") and last.tb_frame.f_code.co_code[last.tb_lasti] == _RAISE


def _chain(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


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
