"""Where an op came from: the innermost line of model code on the Python stack."""

from __future__ import annotations

import dis
import re
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, TracebackType

from ..source.source_files import relative_file
from .records import Site

_STARTER = str(Path(__file__).with_name("runs.py"))
_RAISE = dis.opmap["RAISE_VARARGS"]
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


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


def message_of(error: BaseException) -> str:
    """What an exception says, without the addresses of objects: they differ from run to run."""
    return _ADDRESS.sub("", str(error))


def is_deliberate(traceback: TracebackType | None, package: str) -> bool:
    """Whether the exception left a `raise` or `assert` statement of `package` (e.g. `adapters`)."""
    chain = list(_chain(traceback))
    if not chain:
        return False
    last = chain[-1]
    file = relative_file(last.tb_frame.f_code.co_filename) or ""
    return (
        bool(package)
        and file.startswith(package + "/")
        and last.tb_frame.f_code.co_code[last.tb_lasti] == _RAISE
    )


def _chain(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next
