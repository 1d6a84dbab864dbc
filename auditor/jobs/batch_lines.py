"""Many audits: JSON specs in, JSON results out, in order, resumable; one bad spec never ends the run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from ..errors import AuditError, LibraryRefusal
from ..runtime.dedicated_process import dedicate_process
from ..runtime.worker_pool import in_order
from ..schema.result import AuditResult, Verdict
from ..schema.spec import AuditSpec

DIED = "the process died during this audit; run it alone with -vv to see more"


class Sink(Protocol):
    """Where result lines go."""

    def write(self, text: str, /) -> object:
        """Take one line with its end."""

    def flush(self) -> object:
        """Put what was taken into safety."""


@dataclass(frozen=True)
class Line:
    """One line of the specs file; `id` is the spec's own, or its line number."""

    id: str
    text: str


def read_lines(text: str) -> list[Line]:
    """All specs of a JSONL text (blank lines are skipped)."""
    lines = [(n, t) for n, t in enumerate(text.split("\n"), 1) if t.strip()]
    return [Line(_id_of(t, n), t) for n, t in lines]


def _id_of(text: str, number: int) -> str:
    try:
        data = json.loads(text)
        return str(data["id"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return f"line-{number}"


def audit_line(line: Line, options: Mapping[str, Any]) -> str:
    """Audit one spec line; whatever goes wrong becomes part of its result line.

    `options` are those of an audit and `store`, the cache; without one nothing is kept or looked up.
    """
    from ..request.job import resolved_job
    from ..schema.audit_options import AuditOptions
    from .cached_audit import audit_cached

    request = AuditOptions(**{name: value for name, value in options.items() if name != "store"})
    try:
        spec = AuditSpec.read_line(line.text)
        job = resolved_job(spec.model_copy(update={"id": line.id}), request)
        result = audit_cached(job, options.get("store"))
    except LibraryRefusal as error:
        result = failed(line, error.line, Verdict.REFUSED)
    except AuditError as error:
        result = failed(line, error.line)
    except Exception as error:
        result = failed(line, f"internal error: {type(error).__name__}: {error}")
    return result.model_dump_json(exclude={"graph"})


def failed(line: Line, message: str, verdict: Verdict = Verdict.UNKNOWN) -> AuditResult:
    """The result of a spec that could not be audited."""
    try:
        spec = json.loads(line.text)
    except (ValueError, RecursionError):
        spec = {}
    return AuditResult(
        id=line.id,
        verdict=verdict,
        summary=message,
        spec=spec if isinstance(spec, dict) else {},
        unknowns=(message,),
        error=message,
    )


def finished(output: Path) -> list[tuple[str, str]]:
    """Ids and complete result lines of an earlier run, in order; a cut last line does not count."""
    if not output.is_file():
        return []
    done: list[tuple[str, str]] = []
    for text in output.read_text(encoding="utf-8", errors="replace").split("\n"):
        try:
            done.append((str(json.loads(text)["id"]), text))
        except (ValueError, KeyError, TypeError):
            continue
    return done


def run(
    lines: Iterable[Line],
    sink: Sink,
    options: dict[str, Any],
    *,
    jobs: int = 1,
    progress: Callable[[str], None] | None = None,
) -> None:
    """Audit all lines and write one result line each, in order, flushed as soon as it is known."""
    for line, text in _results(list(lines), options, jobs):
        sink.write(text + "\n")
        sink.flush()
        if progress is not None:
            progress(line.id)


def _results(lines: list[Line], options: dict[str, Any], jobs: int) -> Iterator[tuple[Line, str]]:
    if jobs <= 1:
        dedicate_process()
        for line in lines:
            yield line, audit_line(line, options)
        return
    for line, text in in_order(partial(audit_line, options=options), lines, jobs, dedicate_process):
        yield line, text or failed(line, DIED).model_dump_json(exclude={"graph"})
