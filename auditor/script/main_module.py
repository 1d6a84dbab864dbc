"""Runs a file as `python FILE` does: as `__main__`, with its own arguments, and with its own traceback."""

from __future__ import annotations

import io
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from types import ModuleType, TracebackType
from typing import NoReturn

from ..errors import UsageError


def run_as_main(script: str, arguments: Sequence[str]) -> None:
    """Run the file. Raises what it raises, and UsageError when it cannot be read.

    Not `runpy.run_path`: that changes `sys.argv[0]`, and takes `__main__` away before exit handlers run.
    """
    path = os.path.abspath(script)
    source = _read(script)
    sys.argv[:] = [script, *arguments]
    sys.path[0] = os.path.dirname(path)
    main = ModuleType("__main__")
    main.__dict__.update({"__file__": path, "__builtins__": __builtins__, "__cached__": None})
    main.__annotations__ = {}
    sys.modules["__main__"] = main
    exec(compile(source, path, "exec", dont_inherit=True), main.__dict__)


def _read(script: str) -> bytes:
    try:
        with io.open_code(script) as file:
            return file.read()
    except OSError as error:
        raise UsageError(f"cannot run {script}", why=error.strerror or str(error)) from error


def with_own_frames(error: BaseException) -> BaseException:
    """The error with a traceback that begins in the script; it is changed."""
    trace: TracebackType | None = error.__traceback__
    main = vars(sys.modules["__main__"])
    while trace is not None and trace.tb_frame.f_globals is not main:
        trace = trace.tb_next
    return error.with_traceback(trace)


def place_in_script(error: BaseException) -> str:
    """`train.py:12`, the innermost line of the script that led to the error; empty where there is none."""
    file = sys.modules["__main__"].__file__
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == file]
    return f"{os.path.basename(file or '')}:{frames[-1].lineno}" if frames else ""


def die_as_python_does(error: BaseException, said: str = "") -> NoReturn:
    """Show the error as the script's own hook shows it, what else is said, and exit as Python exits."""
    shown = with_own_frames(error)
    sys.excepthook(type(shown), shown, shown.__traceback__)
    if said:
        print(said, file=sys.stderr)
    if isinstance(shown, KeyboardInterrupt):
        sys.stdout.flush()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    sys.exit(1)
