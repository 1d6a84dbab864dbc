"""The facts of one audit: the model is built, its shapes are traced, its small copy is executed."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .collector import without_collector
from .compose import adapter_names, lane_count
from .environment import check_environment
from .facts import Axes, Facts
from .models import ModelSource
from .options import AuditOptions
from .spec import AuditSpec

if TYPE_CHECKING:
    from .build import Subject
    from .facts import ProbeFacts, StaticFacts
    from .probe import Probe


@dataclass
class Timer:
    """Wall seconds by stage."""

    seconds: dict[str, float] = field(default_factory=dict)

    def measure(self, stage: str, started: float) -> None:
        """Add the time since `started` to a stage."""
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - started


def gather(
    spec: AuditSpec, source: ModelSource, options: AuditOptions, timer: Timer
) -> tuple[Subject, Facts]:
    """Build the model and run both halves: everything that rules and fixes are made of."""
    check_environment()
    with without_collector(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what libraries say about themselves is not about the composition
        from .build import build
        from .probe import Probe

        started = time.perf_counter()
        subject = build(spec, source)
        timer.measure("build", started)
        failed = subject.setup_failure is not None
        probe = None if options.static_only or failed else Probe.start(spec, source)
        static = None if failed else _static(subject, probe, timer)
        started = time.perf_counter()
        outcome, lost = _outcome(probe, static)
        timer.measure("probe", started)
    facts = Facts(
        tree=subject.tree,
        axes=_axes(spec, subject.tree),
        names=adapter_names(subject.tree),
        mode=spec.mode,
        static=static,
        probe=outcome,
        probe_lost=lost,
        setup_failure=subject.setup_failure,
        methods={name: spec.method_of(name) for name in adapter_names(subject.tree)},
        model_type=str(getattr(subject.model.config, "model_type", "")),
        supported=subject.backend.supported(subject.model) if failed else (),
    )
    return subject, facts


def _static(subject: Subject, probe: Probe | None, timer: Timer) -> StaticFacts:
    """The static half, while the probe runs beside it; when it fails the probe is not left behind."""
    from .static import static_half

    started = time.perf_counter()
    try:
        return static_half(subject)
    except BaseException:
        if probe is not None:
            probe.cancel()
        raise
    finally:
        timer.measure("meta", started)


def _outcome(probe: Probe | None, static: StaticFacts | None) -> tuple[ProbeFacts | None, str]:
    """What the probe found, or why there is nothing: the static half is worth reporting all the same."""
    from .probe import ProbeLost

    if probe is None:
        return None, ""
    try:
        return probe.wait(static), ""
    except ProbeLost as error:
        return None, f"the probe failed: {error}"


def _axes(spec: AuditSpec, tree: Any) -> Axes:
    from .inputs import decoder_length

    return Axes(lane_count(tree), spec.rows(), spec.tokens(), decoder_length(spec.tokens()))
