"""Runs a module of ours in an overlay: one request on stdin, lines of answer on stdout as they come."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO

from .overlays import Overlay

_START = (
    "import runpy, sys; sys.path.append(sys.path.pop(0)); runpy.run_module({module!r}, run_name='__main__')"
)
"""`-m` alone would put the current directory before the overlay, and a checkout may lie there."""


class Died(Exception):
    """The process did not answer to the end; says why."""


def lines_of(
    overlay: Overlay,
    module: str,
    request: str,
    *,
    more_path: Sequence[str] = (),
    time_limit: float | None = None,
) -> Iterator[str]:
    """The lines that the module writes. Raises Died with the last words of one that ends badly.

    The process ends when nobody reads on.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as words:
        with _process(overlay, module, more_path, words) as process, _limited(process, time_limit) as late:
            assert process.stdin is not None
            assert process.stdout is not None
            _give(process.stdin, request)
            yield from process.stdout
            code = process.wait()
        if late.is_set():
            raise Died(f"the audit did not end within {time_limit:g} seconds")
        if code:
            words.seek(0)
            said = words.read().strip().splitlines()
            raise Died(said[-1] if said else f"the process ended with code {code}")


@contextmanager
def _process(
    overlay: Overlay, module: str, more_path: Sequence[str], words: IO[str]
) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", _START.format(module=module)],
        env=os.environ | {"PYTHONPATH": overlay.path(more_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=words,
        encoding="utf-8",
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None and not pipe.closed:
                pipe.close()


@contextmanager
def _limited(process: subprocess.Popen[str], time_limit: float | None) -> Iterator[threading.Event]:
    """Kills the process when its time is over; the event tells."""
    late = threading.Event()

    def end() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(time_limit, end) if time_limit is not None else None
    if timer is not None:
        timer.daemon = True
        timer.start()
    try:
        yield late
    finally:
        if timer is not None:
            timer.cancel()


def _give(stdin: IO[str], request: str) -> None:
    """Hand the request over; a process that died already is told by its exit code."""
    try:
        stdin.write(request)
        stdin.close()
    except BrokenPipeError:
        return
