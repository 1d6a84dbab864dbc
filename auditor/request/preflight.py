"""What is wrong with a request, as far as files tell: torch and the audited libraries are not imported."""

from __future__ import annotations

from .job import Job
from .position_table import check_length


def preflight(job: Job) -> None:
    """Raise LibraryRefusal for a wrong adapter or head, UsageError for a sequence without positions.

    A function that makes the model may have registered methods of its own: nothing is said about it here.
    """
    config = job.source.config
    if config is None:
        return
    for method in dict.fromkeys(job.methods.values()):
        job.library.check_config(method)
    for head in dict.fromkeys(job.spec.heads.values()):
        if job.library.heads is not None:
            job.library.heads.check(head)
    check_length(job, config)
