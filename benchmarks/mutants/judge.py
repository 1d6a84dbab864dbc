"""One audit in a process of its own: with a defect, or without."""

from __future__ import annotations

import importlib
import multiprocessing
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .defect import Defect

LIMIT = 180.0
"""Seconds after which an audit is given up."""


@dataclass(frozen=True)
class Verdict:
    """What an audit said."""

    verdict: str
    rules: tuple[str, ...] = ()
    summary: str = ""


def warm_up(families: tuple[str, ...]) -> None:
    """Import what every audit needs, once, before processes are forked."""
    import torch

    torch.set_num_threads(1)
    for family in families:
        importlib.import_module(f"adapters.models.{family}.modeling_{family}")
        importlib.import_module(f"transformers.models.{family}.modeling_{family}")
    for name in (
        "jobs.one_audit",
        "build.subject",
        "assess.static_half",
        "probe.run_checks",
        "assess.used_sources",
    ):
        importlib.import_module(f"adapter_audit.auditor.{name}")


def verdict_of(models: Path, family: str, spec: Any, defect: Defect | None) -> Verdict:
    """Audit a spec in a forked process, so that a defect never outlives its audit."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_audit, args=(sender, models, family, spec, defect))
    process.start()
    sender.close()
    try:
        outcome: Verdict = (
            receiver.recv() if receiver.poll(LIMIT) else Verdict("lost", (), "no answer in time")
        )
    except EOFError:
        outcome = Verdict("lost", (), "the process of the audit died")
    process.kill()
    process.join()
    return outcome


def _audit(sender: Any, models: Path, family: str, spec: Any, defect: Defect | None) -> None:
    from adapter_audit.auditor import audit

    try:
        if defect is not None:
            defect.put_in(family)
        result = audit({**spec, "model": str(models / family)}, offline=True)
        told = (f.rule for f in result.findings if f.status == "open" and f.severity.value != "note")
        sender.send(Verdict(result.verdict.value, tuple(dict.fromkeys(told)), result.summary))
    except Exception:
        sender.send(Verdict("lost", (), traceback.format_exc()))
    sender.close()


def shared_out(jobs: list[Any], workers: int, work: Callable[[Any], Any]) -> Iterator[tuple[Any, Any]]:
    """`(job, work(job))` for all jobs, done by some single-threaded processes, in the order of their end."""
    context = multiprocessing.get_context("fork")
    results: Any = context.Queue()

    def run(mine: list[tuple[int, Any]]) -> None:
        for number, job in mine:
            results.put((number, work(job)))

    numbered = list(enumerate(jobs))
    processes = [context.Process(target=run, args=(numbered[i::workers],)) for i in range(workers)]
    for process in processes:
        process.start()
    for _ in numbered:
        number, outcome = results.get()
        yield jobs[number], outcome
    for process in processes:
        process.join()
