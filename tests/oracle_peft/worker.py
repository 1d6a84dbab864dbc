"""Judge cells from standard input, one JSON object a line: ``python -m oracle_peft.worker``.

A forked child takes many cells, so that imports are paid once; one that dies or hangs takes one cell along.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import sys
import traceback
import warnings
from typing import Any, TextIO

CHUNK = 40
TIMEOUT = 120.0
"""Seconds that one cell may take; a hundred times what it needs on a quiet machine."""
Spec = dict[str, Any]


def main() -> None:
    """Read all cells, then answer in order; answers own the real standard output, whatever others print."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    waiting = [json.loads(line) for line in sys.stdin]
    import peft  # noqa: F401  paid once: children find it imported

    from . import judge  # noqa: F401

    gc.collect()
    gc.freeze()
    while waiting:
        chunk, waiting = waiting[:CHUNK], waiting[CHUNK:]
        while chunk:
            done, death = _child(chunk, answers)
            chunk = chunk[done:]
            if chunk:
                answers.write(json.dumps(death) + "\n")
                chunk = chunk[1:]


def _child(cells: list[Spec], answers: TextIO) -> tuple[int, dict[str, Any]]:
    """Fork and pass answers on; returns how many came, and the truth about the cell that ended it early."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _judge(cells, writer)
    os.close(writer)
    done, buffer, late = 0, b"", False
    while True:
        ready, _, _ = select.select([reader], [], [], TIMEOUT)
        part = os.read(reader, 1 << 16) if ready else b""
        if not part:
            late = not ready
            break
        *complete, buffer = (buffer + part).split(b"\n")
        for line in complete:
            answers.write(line.decode() + "\n")
            done += 1
    if late:
        os.kill(pid, signal.SIGKILL)
    os.close(reader)
    _, status = os.waitpid(pid, 0)
    return done, _death(late, status)


def _death(late: bool, status: int) -> dict[str, Any]:
    if late:
        return _empty("broken", f"no answer within {TIMEOUT:g} s")
    if os.WIFSIGNALED(status):
        return _empty("crash", f"the process died of {signal.Signals(os.WTERMSIG(status)).name}")
    return _empty("broken", "the oracle's process ended early, see its standard error")


def _empty(truth: str, why: str) -> dict[str, Any]:
    from .judge import Truth

    return vars(Truth(truth, why=why))


def _judge(cells: list[Spec], writer: int) -> None:
    from .judge import judge

    try:
        for spec in cells:
            try:
                answer = judge(spec)
            except (
                Exception
            ) as error:  # an error of the oracle itself: it must be seen, not hidden as a truth
                traceback.print_exc(file=sys.stderr)
                last = traceback.extract_tb(error.__traceback__)[-1]
                answer = _empty("broken", f"{type(error).__name__}: {error} ({last.filename}:{last.lineno})")
            os.write(writer, (json.dumps(answer) + "\n").encode())
    finally:
        os._exit(0)


if __name__ == "__main__":
    main()
