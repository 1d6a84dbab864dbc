"""The lines of many audits: specs that come in, results that go out, and those that an earlier run left."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ..schema.result import AuditResult, Verdict


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


def result_line(result: AuditResult) -> str:
    """A result as it is written, without its end of line."""
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
