"""Where a keyword of a call is lost: the value is followed from frame to frame while the call runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from ...source.source_files import relative_file
from ...trace.records import Site


def dropping_line(call: Callable[[], Any], value: object) -> Site | None:
    """The last line that lets go of `value` while `call` runs; None where no frame of a package has it.

    A line lets go of it when its frame had it and then has it no more: in a local, or in a dictionary that
    is one (`kwargs`). Where none does, it is the last line of the innermost frame that was given it.
    """
    follower = _Follower(value)
    before = sys.gettrace()
    sys.settrace(follower.enter)
    try:
        call()
    finally:
        sys.settrace(before)
    return follower.dropped or follower.innermost


class _Follower:
    """A trace function; frames without the value are left alone."""

    def __init__(self, value: object) -> None:
        self.value = value
        self.dropped: Site | None = None
        self.innermost: Site | None = None
        self._depth = 0
        self._lines: dict[FrameType, int] = {}
        """Frame that has the value -> the line that it runs."""

    def enter(self, frame: FrameType, event: str, _argument: Any) -> Any:
        """A frame begins (or a generator goes on)."""
        if event != "call" or not self._has(frame):
            return None
        depth = _depth(frame)
        site = _site(frame, frame.f_lineno)
        if site is not None and depth >= self._depth:
            self._depth, self.innermost = depth, site
        self._lines[frame] = frame.f_lineno
        return self._within

    def _within(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        """A frame that had the value goes on to another line."""
        line = self._lines.get(frame)
        if line is None:
            return None
        if not self._has(frame):
            self.dropped = _site(frame, line) or self.dropped
            del self._lines[frame]
            return None
        self._lines[frame] = frame.f_lineno
        return self._within

    def _has(self, frame: FrameType) -> bool:
        held = list(frame.f_locals.values())
        inside = [value for part in held if type(part) is dict for value in part.values()]
        return any(part is self.value for part in (*held, *inside))


def _depth(frame: FrameType | None) -> int:
    depth = 0
    while frame is not None:
        depth, frame = depth + 1, frame.f_back
    return depth


def _site(frame: FrameType, line: int) -> Site | None:
    file = relative_file(frame.f_code.co_filename)
    return None if file is None else Site(file, line, frame.f_code.co_name)
