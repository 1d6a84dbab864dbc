"""Judge specs from standard input, one JSON object a line, answers likewise: ``python -m oracle.worker``.

Cases run in forked children, several in one: importing is paid once, a child that dies takes one case along.
"""

from __future__ import annotations

import faulthandler
import gc
import json
import os
import re
import select
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterator
from typing import Any, TextIO

CHUNK = 20
TIMEOUT = 60.0
"""Seconds a single case may take."""
_FRAME = re.compile(r'File "([^"]+)", line (\d+) in')


def main() -> None:
    """Serve until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    from .judge import quiet  # imported late: the protocol must own standard output first

    quiet()
    warm: set[str] = set()
    chunk: list[dict[str, Any]] = []
    for line in sys.stdin:
        request = json.loads(line)
        if "flush" not in request:
            chunk.append(request)
        if chunk and (len(chunk) >= CHUNK or "flush" in request):
            _serve(chunk, warm, answers)
            chunk = []
    if chunk:
        _serve(chunk, warm, answers)


def _serve(requests: list[dict[str, Any]], warm: set[str], answers: TextIO) -> None:
    for request in requests:
        _warm_up(request["spec"], warm)
    # What is imported stays: collecting garbage after every case need not look at it again and again.
    gc.collect()
    gc.freeze()
    waiting = list(requests)
    while waiting:
        done, death = _child(waiting, answers)
        waiting = waiting[done:]
        if death is None or not waiting:
            continue
        suspect = waiting.pop(0)
        # Corrupted memory can kill a later case than the guilty one: the suspect gets a process of its own.
        done, again = _child([suspect], answers)
        if done == 0 and again is not None:
            answers.write(json.dumps({"index": suspect["index"], "result": again}) + "\n")


def _warm_up(spec: dict[str, Any], warm: set[str]) -> None:
    """Import what a model needs in the parent, so that forked children find it there."""
    key = f"{spec.get('model')} {spec.get('head')}"
    if key in warm:
        return
    warm.add(key)
    import adapters

    from .inputs import make_inputs
    from .observe import run
    from .subject import build_model

    plain = {k: v for k, v in spec.items() if k in ("model", "head", "batch", "seq_len")}
    try:
        model = build_model(plain)
        run(model, plain, make_inputs(model, plain), None)
        adapters.init(model)
    except Exception:
        # A model that cannot run is judged like any other case; here only time is at stake.
        traceback.print_exc(file=sys.stderr)


def _child(requests: list[dict[str, Any]], answers: TextIO) -> tuple[int, dict[str, Any] | None]:
    """Fork, judge, pass the answers on. Returns how many were done and, if the child died, what is known."""
    reader, writer = os.pipe()
    with tempfile.NamedTemporaryFile("w+") as trace:
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            _judge_all(requests, writer, trace)
        os.close(writer)
        done = 0
        timed_out = False
        for line in _lines(reader, pid):
            if line is None:
                timed_out = True
                break
            answers.write(line + "\n")
            done += 1
        os.close(reader)
        _, status = os.waitpid(pid, 0)
        if done == len(requests) and not timed_out:
            return done, None
        trace.seek(0)
        return done, _death(status, timed_out, trace.read())


def _judge_all(requests: list[dict[str, Any]], writer: int, trace: Any) -> None:
    from .judge import judge

    faulthandler.enable(trace)
    gc.disable()  # judge() collects after every case
    code = 1
    try:
        for request in requests:
            answer = {"index": request["index"], "result": judge(request["spec"])}
            os.write(writer, (json.dumps(answer) + "\n").encode())
        code = 0
    except BaseException:
        traceback.print_exc(file=sys.stderr)
    finally:
        os._exit(code)


def _lines(reader: int, pid: int) -> Iterator[str | None]:
    """Yield answer lines until the child closes its end; None after a timeout: the child is killed then."""
    buffer = b""
    while True:
        ready, _, _ = select.select([reader], [], [], TIMEOUT)
        if not ready:
            os.kill(pid, signal.SIGKILL)
            yield None
            return
        data = os.read(reader, 1 << 16)
        if not data:
            return
        buffer += data
        *complete, buffer = buffer.split(b"\n")
        for line in complete:
            yield line.decode()


def _death(status: int, timed_out: bool, trace: str) -> dict[str, Any]:
    from .blame import relative
    from .judge import Verdict

    if timed_out:
        return Verdict("unknown", f"no answer within {TIMEOUT:g} s").as_dict()
    if not os.WIFSIGNALED(status):
        return Verdict("unknown", "the oracle itself failed, see its standard error").as_dict()
    verdict = Verdict(
        "abort", f"the process died of {signal.Signals(os.WTERMSIG(status)).name}", phase="forward"
    )
    for file, line in _FRAME.findall(trace):
        if relative(file):
            verdict.crash_file, verdict.crash_line = relative(file), int(line)
            break
    return verdict.as_dict()


if __name__ == "__main__":
    main()
