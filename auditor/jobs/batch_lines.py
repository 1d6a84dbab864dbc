"""Many audits: JSON specs in, JSON results out, in order, resumable; one bad spec never ends the run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from ..cache.store import Store
from ..errors import AuditError, LibraryRefusal
from ..request.job import Job, resolved_job
from ..runtime.dedicated_process import dedicate_process
from ..runtime.worker_pool import in_order
from ..schema.audit_options import AuditOptions
from ..schema.result import AuditResult, Verdict
from ..schema.spec import AuditSpec
from .cached_audit import audit_cached, keep, lookup
from .result_lines import Line, failed, finished, read_lines, result_line
from .share_groups import groups, share_key

if TYPE_CHECKING:
    from .shared_model import Audited

__all__ = ["Line", "Sink", "audit_lines", "finished", "read_lines", "run"]

DIED = "the process died during this audit; run it alone with -vv to see more"

LOST = "the machines that should audit this were lost again and again; run it alone"


class Sink(Protocol):
    """Where result lines go."""

    def write(self, text: str, /) -> object:
        """Take one line with its end."""

    def flush(self) -> object:
        """Put what was taken into safety."""


@dataclass
class _Asked:
    """One line under way: its job, or the result that is there already."""

    line: Line
    job: Job | None = None
    result: AuditResult | None = None


def audit_lines(lines: Sequence[Line], options: Mapping[str, Any], share: bool = True) -> Iterator[str]:
    """Audit lines, on one model where all of them can share it; what goes wrong is told by a result line.

    `options` are those of an audit and `store`, the cache; without one nothing is kept or looked up.
    """
    request = AuditOptions(**{name: value for name, value in options.items() if name != "store"})
    store: Store | None = options.get("store")
    asked = [_asked(line, request, store) for line in lines]
    left = [one.job for one in asked if one.job is not None]
    keys = {share_key(job) for job in left}
    together = share and len(keys) == 1 and None not in keys
    with _outcomes(left if together else []) as outcomes:
        for one in asked:
            if one.job is not None:
                one.result = _answered(one.line, one.job, store, next(outcomes, None))
            assert one.result is not None
            yield result_line(one.result)


@contextmanager
def _outcomes(jobs: Sequence[Job]) -> Iterator[Iterator[Audited | None]]:
    """What each job's audit on a shared model came to; None where it has to be done alone."""
    if len(jobs) < 2:
        yield iter(())
        return
    from .forked_audits import forked_audits

    with closing(forked_audits(jobs)) as audits:
        yield audits


def _asked(line: Line, request: AuditOptions, store: Store | None) -> _Asked:
    try:
        spec = AuditSpec.read_line(line.text)
        job = resolved_job(spec.model_copy(update={"id": line.id}), request)
        found = lookup(job, store)
    except Exception as error:
        return _Asked(line, result=_told(line, error))
    return _Asked(line, None if found else job, found)


def _answered(line: Line, job: Job, store: Store | None, outcome: Audited | None) -> AuditResult:
    try:
        if outcome is None:
            return audit_cached(job, store)
        keep(job, store, *outcome)
    except Exception as error:
        return _told(line, error)
    return outcome[0]


def _told(line: Line, error: Exception) -> AuditResult:
    """The result of a line whose audit ended with an exception."""
    if isinstance(error, LibraryRefusal):
        return failed(line, error.line, Verdict.REFUSED)
    if isinstance(error, AuditError):
        return failed(line, error.line)
    return failed(line, f"internal error: {type(error).__name__}: {error}")


def run(
    lines: Iterable[Line],
    sink: Sink,
    options: dict[str, Any],
    *,
    jobs: int = 1,
    executor: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> None:
    """Audit all lines and write one result line each, in order, flushed as soon as it is known.

    In `jobs` processes, or on the machines of an `executor`, where the cache of this one is not asked.
    """
    for line, text in _results(list(lines), options, jobs, executor):
        sink.write(text + "\n")
        sink.flush()
        if progress is not None:
            progress(line.id)


def _results(
    lines: list[Line], options: dict[str, Any], jobs: int, executor: str | None
) -> Iterator[tuple[Line, str]]:
    without_store = {name: value for name, value in options.items() if name != "store"}
    together = list(groups(lines, AuditOptions(**without_store)))
    if executor is not None:
        from .executors import elsewhere

        for group, answers in elsewhere(executor, together, without_store):
            yield from zip(group, answers or [result_line(failed(line, LOST)) for line in group], strict=True)
        return
    if jobs <= 1:
        dedicate_process()
        for group in together:
            yield from zip(group, audit_lines(group, options), strict=True)
        return
    for group, texts in in_order(partial(_group, options=options), together, jobs, dedicate_process):
        yield from zip(group, texts or _one_by_one(group, options), strict=True)


def _group(lines: tuple[Line, ...], options: dict[str, Any], share: bool = True) -> list[str]:
    return list(audit_lines(lines, options, share))


def _one_by_one(lines: tuple[Line, ...], options: dict[str, Any]) -> Iterator[str]:
    """Lines of a group of which a process died: each in its turn, that only one of them is lost."""
    if len(lines) == 1:
        yield result_line(failed(lines[0], DIED))
        return
    work = partial(_group, options=options, share=False)
    for (line,), texts in in_order(work, [(line,) for line in lines], 1, dedicate_process):
        yield texts[0] if texts else result_line(failed(line, DIED))
