"""One model with its adapters for several compositions of them: built once, its references run once.

What each composition does to the model stays in it: so each is audited in a copy of the process
(`forked_audits`), and what is shared is the same for all of them, whatever the others did.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..assess.conclude import conclude
from ..assess.gather import Timer, facts_of
from ..library.installed import check_installed
from ..request.job import Job
from ..request.preflight import preflight
from ..schema.composition import Block
from ..schema.result import AuditResult

if TYPE_CHECKING:
    from ..facts.facts import ProbeFacts, StaticFacts

Audited = tuple[AuditResult, frozenset[str]]
"""A result, and the source files that it follows from."""


class AuditAlone(Exception):
    """A composition cannot be audited on the shared model; the text says why."""


class SharedModel:
    """The full model on meta with what its references gave, and the small one on its bench."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        """Build the model of jobs that differ in their composition only, and trace their references.

        Raises AuditError when it cannot be built, AuditAlone when the adapters cannot be added.
        """
        from ..assess.static_half import ReferenceRuns, run_references
        from ..build.subject import build, import_classes

        _read_in(jobs[0])
        self.jobs = jobs
        self.base = replace(jobs[0], tree=Block("stack", jobs[0].names))
        check_installed(self.base.library)
        preflight(self.base)
        import_classes(self.base)
        self.subject = build(self.base, composed=False)
        if self.subject.setup_failure is not None:
            raise AuditAlone(str(self.subject.setup_failure))
        self.runs = ReferenceRuns()
        run_references(self.subject, jobs, self.runs)

    def put_on_bench(self) -> None:
        """Build the small model and run the references on it: what they need is executed for real from here.

        Raises whatever the small model raises.
        """
        import torch

        from ..probe.measuring_bench import MeasuringBench
        from ..probe.run_checks import settle

        before = torch.get_default_dtype()
        settle()
        self.bench = MeasuringBench(self.base, waits=True)
        self.bench.known(None)
        for job in self.jobs:
            for reference in self.bench.references_of(job):
                if reference.tree != job.tree:
                    self.bench.reference(reference)
        torch.set_default_dtype(before)

    def audited(self, job: Job) -> Audited:
        """Audit one of the jobs. The model is its own afterwards: no other one can be audited with it.

        Raises AuditAlone, or whatever an audit raises.
        """
        from ..assess.static_half import static_half
        from ..assess.used_sources import used_source_files
        from ..build.subject import recomposed

        timer = Timer()
        with timer.measured("build"):
            subject = recomposed(self.subject, job)
        if subject.heads is not None:
            raise AuditAlone("its rows are served by heads")
        static = None
        if subject.setup_failure is None:
            with timer.measured("meta"):
                static = static_half(subject, self.runs)
        with timer.measured("probe"):
            probe = self._probed(job, static) if static else None
        facts = facts_of(subject, static, probe)
        activity = () if subject.setup_failure else job.library.activity(subject.model, facts.names)
        files = used_source_files(subject.model, facts, job.library.package)
        return conclude(facts, timer, activity), files

    def _probed(self, job: Job, static: StaticFacts) -> ProbeFacts:
        import torch

        from ..probe.bench import CannotTake
        from ..probe.cause.static_index import with_static_indices
        from ..probe.run_checks import examined

        torch.set_default_dtype(self.bench.dtype)
        warnings.simplefilter("ignore")
        try:
            self.bench.take(job)
        except CannotTake as reason:
            raise AuditAlone(str(reason)) from reason
        return with_static_indices(examined(self.bench), static)


def _read_in(job: Job) -> None:
    """Import and read here, once, what every copy of this process would do for itself."""
    from adapter_audit.rules._support.registry import all_rules

    from ..probe import measuring_bench  # noqa: F401
    from ..probe.value_check import all_checks

    all_rules()
    all_checks()
    for method in dict.fromkeys(job.methods.values()):
        job.library.tables.blocks_of(method)
