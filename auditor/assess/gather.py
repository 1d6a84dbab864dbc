"""The facts of one audit: the model is built, its shapes are traced, its small copy is executed."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..facts.facts import Axes, Facts
from ..library.installed import check_installed
from ..request.job import Job
from ..runtime.garbage_collection import garbage_collection_paused

if TYPE_CHECKING:
    from ..build.subject import Subject
    from ..facts.facts import ProbeFacts, StaticFacts
    from ..probe import Probe
    from ..trace.records import Failure


@dataclass
class Timer:
    """Wall seconds by stage."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def measured(self, stage: str) -> Iterator[None]:
        """Add the time of the block to a stage."""
        started = time.perf_counter()
        yield
        self.measure(stage, started)

    def measure(self, stage: str, started: float) -> None:
        """Add the time since `started` to a stage."""
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - started


def gather(job: Job, timer: Timer) -> tuple[Subject, Facts]:
    """Build the model and run both halves: everything that rules and fixes are made of."""
    check_installed(job.library)
    with garbage_collection_paused(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what libraries say about themselves is not about the composition
        probe = None if job.options.static_only else _probe(job, timer)
        try:
            subject, static = _static(job, timer)
        except BaseException:
            _cancel(probe)
            raise
        if subject.setup_failure is not None:
            _cancel(probe)
            probe = None
        started = time.perf_counter()
        outcome, lost = _outcome(probe, static)
        timer.measure("probe", started)
        if outcome is not None and outcome.setup_failure is not None:
            lost, setup_failure = _not_set_up(outcome.setup_failure, static)
            subject.setup_failure, outcome = setup_failure, None
    return subject, facts_of(subject, static, outcome, lost)


def facts_of(subject: Subject, static: StaticFacts | None, probe: ProbeFacts | None, lost: str = "") -> Facts:
    """What is known of a subject and from both halves; `lost` says why there is nothing from the probe."""
    job = subject.job
    return Facts(
        job=job,
        axes=_axes(job),
        static=static,
        probe=probe,
        probe_lost=lost,
        setup_failure=subject.setup_failure,
        untraced=subject.untraceable,
        model_type=str(getattr(subject.model.config, "model_type", "")),
        heads=subject.heads,
        supported=job.library.supported(subject.model) if subject.setup_failure is not None else (),
    )


def _probe(job: Job, timer: Timer) -> Probe:
    """Start the probe before anything is built, to have it run beside all of the static half."""
    started = time.perf_counter()
    from ..build.subject import import_classes
    from ..probe import Probe

    import_classes(job)  # once here instead of in both processes
    timer.measure("build", started)
    return Probe.start(job)


def _cancel(probe: Probe | None) -> None:
    """End a probe that nobody waits for."""
    if probe is not None:
        probe.cancel()


def _static(job: Job, timer: Timer) -> tuple[Subject, StaticFacts | None]:
    """The model and its static half, without which there is only the failure of its set-up."""
    started = time.perf_counter()
    from ..build.subject import build
    from .static_half import static_half

    subject = build(job)
    timer.measure("build", started)
    started = time.perf_counter()
    static = None if subject.setup_failure or subject.untraceable else static_half(subject)
    timer.measure("meta", started)
    return subject, static


def _outcome(probe: Probe | None, static: StaticFacts | None) -> tuple[ProbeFacts | None, str]:
    """What the probe found, or why there is nothing: the static half is worth reporting all the same."""
    from ..probe import ProbeLost

    if probe is None:
        return None, ""
    try:
        return probe.wait(static), ""
    except ProbeLost as error:
        return None, f"the probe failed: {error}"


def _not_set_up(failure: Failure, static: StaticFacts | None) -> tuple[str, Failure | None]:
    """What a small model that cannot be set up says: nothing, where the large one can."""
    if static is not None:
        return f"the adapters do not fit a small model ({failure})", None
    return "", failure


def _axes(job: Job) -> Axes:
    from ..build.inputs import decoder_length

    return Axes(job.lanes, job.rows, job.tokens, decoder_length(job.tokens))
