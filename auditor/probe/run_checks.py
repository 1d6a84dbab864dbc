"""What the probe's child process does: run everything plainly, and look closer where something differs."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch

from ..facts.facts import ProbeFacts
from ..facts.observations import Observation
from ..request.job import Job
from ..trace.recorder import Recorder
from ..trace.records import Failure, Record, Site
from ..trace.runs import recorded_run
from .bench import Bench, NotSetUp
from .measuring_bench import MeasuringBench
from .value_check import NotApplicable, all_checks


def probe(job: Job, tell: Callable[[ProbeFacts], None] | None = None) -> ProbeFacts:
    """Execute the composition and its references on a small model and hold them to the invariants.

    What is found is told at once: a later check may kill the process.

    Raises AuditError when the model cannot be built.
    """
    _settle()
    try:
        bench = MeasuringBench(job)
    except NotSetUp as error:
        return ProbeFacts(setup_failure=error.failure)
    composed = bench.known(bench.tree)
    if composed.failure and _same(composed.failure, bench.raw_failure):
        why = f"the bare model fails in the same way ({composed.failure.kind}: {composed.failure.message})"
        return ProbeFacts(skipped={"the composition": why}, notes=tuple(bench.notes))
    found: list[Observation] = []
    done: list[str] = []
    for check in all_checks():
        try:
            news = list(check.observe(bench))
        except NotApplicable:
            continue
        found += news
        done.append(check.name)
        if news and tell is not None:
            tell(ProbeFacts(observations=tuple(found), checks=tuple(done), notes=tuple(bench.notes)))
    return ProbeFacts(
        failure=composed.failure,
        reference_failures=bench.reference_failures(),
        observations=tuple(found),
        checks=tuple(done),
        notes=tuple(bench.notes),
    )


def _same(failure: Failure, other: Failure | None) -> bool:
    """The same exception at the same line; its text may tell other shapes."""
    return other is not None and (failure.kind, failure.site) == (other.kind, other.site)


def noted_run(job: Job, write: Callable[[str, Site], None]) -> None:
    """Run the composition once, noting every op's place before it runs (for a child that dies)."""
    _settle()
    bench = Bench(job)
    bench.subject.activate(bench.tree)

    class Noting(Recorder):
        def _begin(self, *arguments: object) -> Record:
            record = super()._begin(*arguments)  # type: ignore[arg-type]
            if record.site.file:  # the backward pass has no lines of its own: keep the last of the forward
                write(record.key.module, record.site)
            return record

    recorded_run(bench.model, bench.inputs, job.spec.mode, Noting(bench.model), **bench.subject.run_options())


def _settle() -> None:
    """One thread (tiny models are slower on many), float64 everywhere, fixed seeds."""
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    warnings.simplefilter("ignore")
