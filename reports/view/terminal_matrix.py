"""Many results on the terminal: one heat map a composition, with words instead of colours alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from adapter_audit.auditor.schema.result import AuditResult, Verdict

from . import words
from .cells import BADNESS, Grid, grids
from .prepare import shorten

WORD = {
    Verdict.COMPATIBLE: "ok",
    Verdict.NO_EFFECT: "no-eff",
    Verdict.WRONG: "WRONG",
    Verdict.CRASH: "CRASH",
    Verdict.ABORT: "ABORT",
    Verdict.REFUSED: "refus.",
    Verdict.UNKNOWN: "?",
}
STYLE: dict[words.Tone, str] = {
    "good": "green",
    "note": "blue",
    "warning": "yellow",
    "bad": "bold red",
    "unknown": "magenta",
}
MAX_MODEL, MAX_METHOD, NARROWEST = 32, 24, 8
"""Columns for a model's name, a method's name, and a cell with its mark of change."""
MARK = {"": "", "new": " new", "better": " +", "worse": " !", "changed": " ~"}


def matrix_table(
    results: Sequence[AuditResult], baseline: Sequence[AuditResult], width: int
) -> Iterable[RenderableType]:
    """The heat maps and the tally of verdicts; a cell that was not audited is a dot."""
    for grid in grids(results, baseline):
        yield Text(shorten(grid.compose, 120), "bold")
        for methods in _that_fit(grid, width):
            yield _table(grid, methods)
        yield Text()
    yield Text(_tally(results))


def _that_fit(grid: Grid, width: int) -> Iterator[list[str]]:
    """The methods in groups, each of which fits beside the model names."""
    room = width - _model_width(grid) - 1
    group: list[str] = []
    used = 0
    for method in grid.methods:
        need = max(min(len(method), MAX_METHOD), NARROWEST) + 2
        if group and used + need > room:
            yield group
            group, used = [], 0
        group.append(method)
        used += need
    if group:
        yield group


def _model_width(grid: Grid) -> int:
    return max(len("model"), *(min(len(model), MAX_MODEL) for model in grid.models))


def _table(grid: Grid, methods: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("model", overflow="fold", width=_model_width(grid))
    for method in methods:
        table.add_column(
            Text(shorten(method, 120)), overflow="fold", max_width=MAX_METHOD, min_width=NARROWEST
        )
    for model in grid.models:
        table.add_row(Text(shorten(model, 120)), *(_word(grid, model, method) for method in methods))
    return table


def _word(grid: Grid, model: str, method: str) -> Text:
    cell = grid.cells.get((model, method))
    if cell is None:
        return Text(".", "dim")
    return Text(WORD[cell.verdict] + MARK[cell.change], STYLE[words.TONE[cell.verdict]])


def _tally(results: Sequence[AuditResult]) -> str:
    number = Counter(r.verdict for r in results)
    parts = ", ".join(f"{number[v]:,} {v.value}" for v in BADNESS if number[v])
    return f"{words.count(len(results), 'audit')}: {parts}" if results else "no audits"
