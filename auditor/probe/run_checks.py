"""What the probe's child process does: run everything plainly, and look closer where something differs."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import replace

import torch

from ..facts.facts import ProbeFacts
from ..facts.observations import Observation
from ..request.job import Job
from ..trace.recorder import Recorder
from ..trace.records import Failure, Record, Site
from ..trace.runs import recorded_run
from .bench import Bench, NotSetUp
from .measuring_bench import MeasuringBench
from .own_dtype import is_other, own_failure
from .value_check import NotApplicable, Unanswered, ValueCheck, all_checks

LARGE_SECONDS = 45.0
"""After these, no further check is asked of a large model that is executed as it is."""


def probe(job: Job, tell: Callable[[ProbeFacts], None] | None = None) -> ProbeFacts:
    """Execute the composition and its references on a small model and hold them to the invariants.

    What is found is told at once: a later check may kill the process.

    Raises AuditError when the model cannot be built.
    """
    settle()
    try:
        bench = MeasuringBench(job)
    except NotSetUp as error:
        return ProbeFacts(setup_failure=error.failure)
    except Unanswered as reason:
        return ProbeFacts(unanswered={"values": str(reason)})
    return examined(bench, tell)


def examined(bench: MeasuringBench, tell: Callable[[ProbeFacts], None] | None = None) -> ProbeFacts:
    """`probe` on a bench with a composition."""
    started = time.monotonic()
    composed = bench.known(bench.tree)
    if composed.failure and _same(composed.failure, bench.raw_failure):
        why = f"the bare model fails in the same way ({composed.failure.kind}: {composed.failure.message})"
        return ProbeFacts(unanswered={"the composition": why}, notes=tuple(bench.notes))
    so_far = ProbeFacts(notes=tuple(bench.notes))
    for check in all_checks():
        if bench.large and time.monotonic() - started > LARGE_SECONDS:
            late = f"not asked: {LARGE_SECONDS:.0f} seconds were over ({bench.large})"
            so_far = replace(so_far, unanswered={**so_far.unanswered, check.name: late})
            continue
        before, so_far = so_far, _with_check(so_far, check, bench)
        if so_far.observations != before.observations and tell is not None:
            tell(so_far)
    failure = composed.failure
    if failure is None and is_other(bench):
        try:
            failure = own_failure(bench)
        except Unanswered as reason:
            so_far = replace(so_far, unanswered={**so_far.unanswered, "dtype": str(reason)})
    return replace(
        so_far,
        failure=failure,
        reference_failures=bench.reference_failures(),
        unanswered={**so_far.unanswered, **_not_comparable(bench)},
        notes=tuple(bench.notes),
    )


def _with_check(so_far: ProbeFacts, check: ValueCheck, bench: MeasuringBench) -> ProbeFacts:
    """The facts with what one more check saw, and what it could not find out."""
    news: list[Observation] = []
    done: tuple[str, ...] = (check.name,)
    try:
        news.extend(check.observe(bench))
    except NotApplicable:
        done = ()
    except Unanswered as reason:
        bench.leave_open(str(reason))
    why = bench.taken_questions()
    return replace(
        so_far,
        observations=(*so_far.observations, *news),
        checks=(*so_far.checks, *done),
        unanswered={**so_far.unanswered, check.name: "; ".join(why)} if why else so_far.unanswered,
    )


def _not_comparable(bench: MeasuringBench) -> dict[str, str]:
    """Outputs that could not be compared, and why."""
    ran = bench.known(bench.tree)
    if ran.failure is not None:
        return {}
    unread = {n: f"{kind} cannot be compared row by row" for n, kind in ran.unread.items()}
    return {f"output {n}": why for n, why in {**bench.alignment.open, **unread}.items()}


def _same(failure: Failure, other: Failure | None) -> bool:
    """The same exception at the same line; its text may tell other shapes."""
    return other is not None and (failure.kind, failure.site) == (other.kind, other.site)


def noted_run(job: Job, write: Callable[[str, Site], None]) -> None:
    """Run the composition once, noting every op's place before it runs (for a child that dies)."""
    settle()
    bench = Bench(job)
    bench.subject.activate(bench.tree)

    class Noting(Recorder):
        def _begin(self, *arguments: object) -> Record:
            record = super()._begin(*arguments)  # type: ignore[arg-type]
            if record.site.file:  # the backward pass has no lines of its own: keep the last of the forward
                write(record.key.module, record.site)
            return record

    recorded_run(bench.model, bench.inputs, job.spec.mode, Noting(bench.model), **bench.subject.run_options())


def settle() -> None:
    """One thread (tiny models are slower on many), float64 everywhere, fixed seeds."""
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    warnings.simplefilter("ignore")
