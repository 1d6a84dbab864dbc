"""A process that audits the lines it is given, for as long as somebody gives it any.

Workers of clusters run threads, and may not have children of their own: no place to fork an audit from. So
each keeps one such process beside it, which ends when the worker does.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from queue import SimpleQueue
from typing import Any

from .result_lines import Line, failed, result_line

DIED = "the process died during this audit; run it alone with -vv to see more"
_lock = threading.Lock()
_kept: list[subprocess.Popen[str]] = []


def audited_here(lines: Sequence[Line], options: Mapping[str, Any]) -> list[str]:
    """The result lines of lines that can share a model; one that kills the process says so."""
    with _lock:
        texts = _asked(lines, options)
        if texts is not None:
            return texts
        again = [_asked([line], options) for line in lines]
    return [
        found[0] if found else result_line(failed(line, DIED))
        for line, found in zip(lines, again, strict=True)
    ]


def _asked(lines: Sequence[Line], options: Mapping[str, Any]) -> list[str] | None:
    """What the process answers; None when it died of it."""
    if not _kept:
        _kept.append(_started())
    process = _kept[0]
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        request = {"lines": [(line.id, line.text) for line in lines], "options": dict(options)}
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        answer = process.stdout.readline()
    except BrokenPipeError:
        answer = ""
    if not answer:
        end()
        return None
    return list(map(str, json.loads(answer)))


def end() -> None:
    """End the process, if there is one."""
    for process in _kept:
        process.kill()
        process.communicate()
    _kept.clear()


def _started() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", __spec__.name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def serve() -> None:
    """Answer each line of stdin with one on stdout; end when nobody asks any more, whatever is under way."""
    from ..runtime.dedicated_process import dedicate_process
    from .batch_lines import audit_lines

    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no answer
    dedicate_process()
    requests: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_read, args=(requests,), daemon=True).start()
    while True:
        request = json.loads(requests.get())
        lines = [Line(name, text) for name, text in request["lines"]]
        texts = list(audit_lines(lines, request["options"]))
        answers.write(json.dumps(texts) + "\n")
        answers.flush()


def _read(requests: SimpleQueue[bytes]) -> None:
    """Unbuffered: a child that is forked meanwhile closes the buffered `sys.stdin`, which would be locked."""
    for line in io.FileIO(os.dup(0)):
        requests.put(line)
    os._exit(0)


if __name__ == "__main__":
    serve()
