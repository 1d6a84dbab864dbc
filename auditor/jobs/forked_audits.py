"""Audits on a shared model, each in a copy of the process that has it.

    this process ── builds the full model and traces references (on meta: nothing is executed)
      └ the bench's process ── builds the small model and executes references
          └ one process an audit ── traces and executes its composition, concludes

A copy (`fork`) is what makes a shared model safe: no audit sees what another one left in it, and one that
kills its process is done again alone, as if nothing had been shared.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import warnings
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from ..probe.child_process import PATIENCE, TIME_LIMIT
from ..request.job import Job
from ..runtime.computing_limit import limit_computing
from ..runtime.garbage_collection import garbage_collection_paused
from ..runtime.silent_process import silence
from ..runtime.worker_pool import end_with_parent
from .shared_model import Audited, SharedModel

LONGEST = PATIENCE * TIME_LIMIT
"""Seconds by the clock until an audit's process is given up; what it may compute is less (`_work`)."""


def forked_audits(jobs: Sequence[Job]) -> Generator[Audited | None, None, None]:
    """What each job's audit came to, in order; None for one that has to be done alone.

    The jobs differ in their composition only (`share_groups`).
    """
    with garbage_collection_paused(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            shared = SharedModel(jobs)
        except Exception:
            return  # each one meets it alone, and says what it is
    try:
        with _forked(_serve, shared, daemon=False) as answers:
            for _ in jobs:
                yield _answer(answers, 2 * LONGEST)  # the first one waits for the bench, too
    finally:
        shared.subject.release()


def _serve(answers: Connection, shared: SharedModel) -> None:
    """The bench's process: a copy of itself for each job."""
    shared.put_on_bench()
    for job in shared.jobs:
        with _forked(_audit, shared, job, daemon=True) as answer:
            outcome = _answer(answer, LONGEST)
        answers.send(outcome)


def _audit(answers: Connection, shared: SharedModel, job: Job) -> None:
    """One audit's process. What goes wrong here goes wrong alone, too, where it is told in full."""
    try:
        outcome = shared.audited(job)
    except Exception:
        outcome = None
    answers.send(outcome)


def _answer(answers: Connection, patience: float) -> Audited | None:
    """The next answer; None from a process that died or does not answer in time."""
    try:
        return answers.recv() if answers.poll(patience) else None
    except (EOFError, OSError):
        return None


@contextmanager
def _forked(work: Any, *arguments: Any, daemon: bool) -> Iterator[Connection]:
    """A copy of this process that does some work, and its answers; at the end it is gone."""
    context: Any = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(work, sender, *arguments), daemon=daemon)
    process.start()
    sender.close()
    try:
        yield receiver
    finally:
        receiver.close()
        process.kill()
        process.join()


def _work(work: Any, sender: Connection, *arguments: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever asked for the audits ends this process
    end_with_parent()
    silence()
    limit_computing(2 * TIME_LIMIT)  # a probe's time, and as much for all else
    with garbage_collection_paused():
        work(sender, *arguments)
    sender.close()
    os._exit(0)  # the interpreter's teardown costs a second and may meet corrupted memory
