"""Many results as a grid: model x method, one grid a composition. The data step of all matrix views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from adapter_audit.auditor.schema.result import AuditResult, Verdict

from .words import subject

Change = Literal["", "new", "better", "worse", "changed"]
BADNESS = list(Verdict)
"""Verdicts from best to worst, as the result defines them."""
_HARM = {
    Verdict.COMPATIBLE: 0,
    Verdict.REFUSED: 1,
    Verdict.NO_EFFECT: 2,
    Verdict.WRONG: 3,
    Verdict.CRASH: 3,
    Verdict.ABORT: 3,
}
"""What an upgrade does to a user: a refusal on purpose harms less than a crash, whatever the order above."""


@dataclass(frozen=True)
class Cell:
    """All audits of one model with one method under one composition."""

    model: str
    method: str
    compose: str
    numbers: tuple[int, ...]
    """Positions of its audits in the list of results."""
    verdict: Verdict
    """The worst of its audits."""
    findings: int
    before: Verdict | None = None
    """The worst verdict of the same cell in the baseline."""
    change: Change = ""


@dataclass(frozen=True)
class Grid:
    """One heat map: rows are models, columns are methods; a missing cell was not audited."""

    compose: str
    models: tuple[str, ...]
    methods: tuple[str, ...]
    cells: dict[tuple[str, str], Cell]


Key = tuple[str, str, str]


def grids(results: Sequence[AuditResult], baseline: Sequence[AuditResult] = ()) -> list[Grid]:
    """One grid for each composition, everything in order of first appearance."""
    now, before = _by_key(results), _by_key(baseline)
    found: dict[str, list[Cell]] = {}
    for key, numbers in now.items():
        found.setdefault(key[0], []).append(_cell(key, numbers, results, before, baseline))
    return [
        Grid(
            compose,
            tuple(dict.fromkeys(c.model for c in cells)),
            tuple(dict.fromkeys(c.method for c in cells)),
            {(c.model, c.method): c for c in cells},
        )
        for compose, cells in found.items()
    ]


def missing(results: Sequence[AuditResult], baseline: Sequence[AuditResult]) -> list[Key]:
    """Cells of the baseline that were not audited again: (composition, model, method)."""
    now = _by_key(results)
    return [key for key in _by_key(baseline) if key not in now]


def worst(results: Sequence[AuditResult]) -> Verdict:
    """The worst verdict of some results (at least one)."""
    return max((r.verdict for r in results), key=BADNESS.index)


def _by_key(results: Sequence[AuditResult]) -> dict[Key, list[int]]:
    found: dict[Key, list[int]] = {}
    for number, result in enumerate(results):
        about = subject(result)
        found.setdefault((about.compose, about.model, about.method), []).append(number)
    return found


def _cell(
    key: Key,
    numbers: list[int],
    results: Sequence[AuditResult],
    before: dict[Key, list[int]],
    baseline: Sequence[AuditResult],
) -> Cell:
    compose, model, method = key
    mine = [results[n] for n in numbers]
    verdict = worst(mine)
    old = worst([baseline[n] for n in before[key]]) if key in before else None
    found = sum(f.status == "open" for result in mine for f in result.findings)
    change = _change(old, verdict) if baseline else ""
    return Cell(model, method, compose, tuple(numbers), verdict, found, old, change)


def _change(old: Verdict | None, new: Verdict) -> Change:
    if old is None:
        return "new"
    if old is new:
        return ""
    if old not in _HARM or new not in _HARM or _HARM[old] == _HARM[new]:
        return "changed"  # not known to be better or worse
    return "worse" if _HARM[new] > _HARM[old] else "better"
