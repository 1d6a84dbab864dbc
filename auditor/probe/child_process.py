"""The probe's child process: started beside the static half, waited for, its death explained."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any

from ..errors import AuditError
from ..facts.facts import ProbeFacts, StaticFacts
from ..facts.observations import Ending, ProcessDeath
from ..request.job import Job
from ..runtime.computing_limit import ended_by_limit, limit_computing
from ..runtime.silent_process import silence
from ..runtime.worker_pool import end_with_parent
from ..trace.records import Site

TIME_LIMIT = 90.0
"""Seconds of computing after which a probe is given up; the clock counts what else a machine does."""
PATIENCE = 4
"""Times as long by the clock, for one that waits instead of computing."""
NOTE_SIZE = 1024


class ProbeLost(Exception):
    """The probe could not do its work (a defect of the auditor, or a model that cannot be shrunk)."""


@dataclass
class Probe:
    """A probe under way."""

    process: Any
    results: Connection
    job: Job
    started: float

    @classmethod
    def start(cls, job: Job) -> Probe:
        """Start the child. It inherits what is imported where the system can fork."""
        from . import run_checks as child  # noqa: F401 - once here instead of in every child

        process, results = _spawn(_child, job)
        return cls(process, results, job, time.perf_counter())

    def cancel(self) -> None:
        """End the child at once."""
        self.process.kill()
        self.process.join()

    def wait(self, static: StaticFacts | None) -> ProbeFacts:
        """The facts, or what is known about the child's death.

        Raises the AuditError that the child ended with, ProbeLost when the probe itself went wrong.
        """
        so_far, outcome = _receive(self.results, self.started + PATIENCE * TIME_LIMIT)
        seconds = time.perf_counter() - self.started
        if outcome is None:
            return replace(self._autopsy(_placed(so_far, static)), seconds=seconds)
        self.process.join(5)
        if isinstance(outcome, AuditError):
            raise outcome
        if not isinstance(outcome, ProbeFacts):
            raise ProbeLost(str(outcome))
        return replace(_placed(outcome, static), seconds=seconds)

    def _autopsy(self, so_far: ProbeFacts) -> ProbeFacts:
        """Run the composition once more, each op noted before it runs, to see where the child dies."""
        death = _death(self.process)
        self.cancel()
        note = multiprocessing.get_context(_method()).Array("c", NOTE_SIZE, lock=False)
        process, results = _spawn(_noting_child, self.job, note)
        _receive(results, time.perf_counter() + PATIENCE * TIME_LIMIT / 2)
        process.kill()
        process.join()
        module, file, line, function = (note.value.decode("utf-8", "replace").split("\n") + [""] * 4)[:4]
        site = Site(file, int(line), function) if line.isdigit() else None
        death = replace(death, site=site, module=module)
        return replace(so_far, observations=(*so_far.observations, death))


@dataclass(frozen=True)
class _SoFar:
    """What was found before the end: all there is, when the end does not come."""

    facts: ProbeFacts


def _placed(facts: ProbeFacts, static: StaticFacts | None) -> ProbeFacts:
    from .cause.static_index import with_static_indices

    return with_static_indices(facts, static)


def _spawn(target: Any, *arguments: Any) -> tuple[Any, Connection]:
    context: Any = multiprocessing.get_context(_method())
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=target, args=(sender, *arguments), daemon=True)
    process.start()
    sender.close()
    return process, receiver


def _method() -> str:
    return "fork" if sys.platform.startswith("linux") else "spawn"


def _receive(results: Connection, until: float) -> tuple[ProbeFacts, Any]:
    """What the child found on the way, and what it ended with; None when it died or the time is over."""
    so_far = ProbeFacts()
    try:
        while results.poll(max(0.1, until - time.perf_counter())):
            message = results.recv()
            if not isinstance(message, _SoFar):
                return so_far, message
            so_far = message.facts
        return so_far, None
    except EOFError:
        return so_far, None
    finally:
        results.close()


def _death(process: Any) -> ProcessDeath:
    process.join(0.5)
    code = process.exitcode
    if code is None:
        return ProcessDeath(ending=Ending.TIME, seconds=PATIENCE * TIME_LIMIT)
    if ended_by_limit(code):
        return ProcessDeath(ending=Ending.TIME, seconds=TIME_LIMIT)
    if code < 0:
        return ProcessDeath(ending=Ending.SIGNAL, signal=signal.Signals(-code).name)
    return ProcessDeath(ending=Ending.EXIT, exit_code=code)


def _child(sender: Connection, job: Job) -> None:
    end_with_parent()
    silence()
    limit_computing(TIME_LIMIT)
    from .run_checks import probe

    try:
        outcome: Any = probe(job, lambda facts: sender.send(_SoFar(facts)))
    except AuditError as error:
        outcome = error
    except Exception as error:
        import traceback

        outcome = f"{type(error).__name__}: {error}\n{traceback.format_exc()}"
    sender.send(outcome)
    sender.close()
    os._exit(0)  # the interpreter's teardown costs a second and may meet corrupted memory


def _noting_child(sender: Connection, job: Job, note: Any) -> None:
    end_with_parent()
    silence()
    limit_computing(TIME_LIMIT / 2)
    from .run_checks import noted_run

    def write(module: str, site: Site) -> None:
        note.value = "\n".join((module, site.file, str(site.line), site.function)).encode()[: NOTE_SIZE - 1]

    noted_run(job, write)
    sender.send("done")
    os._exit(0)
