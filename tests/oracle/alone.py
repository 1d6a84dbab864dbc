"""Do a piece of work in a process of its own, so that its death is an answer and not the end."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

Answer = dict[str, Any]


def alone(work: Callable[[], Answer], seconds: float) -> Answer:
    """Fork, do the work there and return its answer (plain data).

    A child that dies answers ``{"died": "SIGSEGV"}``, one that needs longer ``{"died": "timeout"}``, one
    whose work raises ``{"raised": the traceback}``.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _answer(work, writer)
    os.close(writer)
    text, late = _read(reader, time.monotonic() + seconds)
    os.close(reader)
    if late:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if late:
        return {"died": "timeout"}
    if os.WIFSIGNALED(status):
        return {"died": signal.Signals(os.WTERMSIG(status)).name}
    return dict(json.loads(text)) if text else {"died": f"exit {os.WEXITSTATUS(status)}"}


def _answer(work: Callable[[], Answer], writer: int) -> None:
    try:
        answer = work()
    except BaseException:
        answer = {"raised": traceback.format_exc()}
    with os.fdopen(writer, "w") as stream:
        stream.write(json.dumps(answer))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _read(reader: int, deadline: float) -> tuple[str, bool]:
    """All that the child writes, and whether it took too long."""
    parts = []
    while True:
        ready, _, _ = select.select([reader], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return "", True
        data = os.read(reader, 1 << 16)
        if not data:
            return b"".join(parts).decode(), False
        parts.append(data)
