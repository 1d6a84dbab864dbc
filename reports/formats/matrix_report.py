"""The matrix page: heat maps of many audits, each cell leads to its audits; two runs can be compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from adapter_audit.auditor.schema.result import AuditResult

from ..report import Report, ReportOptions
from ..view import words
from ..view.cells import BADNESS, Cell, Change, Grid, grids, missing
from ..view.html_page import page
from ..view.html_view import AuditView, audit_view

URGENCY: list[Change] = ["worse", "changed", "new", "better"]
"""Order of the list of changes: what broke comes first."""


@dataclass(frozen=True)
class CellView:
    """One cell that was audited."""

    cell: Cell
    anchor: str
    tone: words.Tone


@dataclass(frozen=True)
class GridView:
    """One heat map as rows of cells; None where nothing was audited."""

    grid: Grid
    rows: list[tuple[str, list[CellView | None]]]


class MatrixReport(Report):
    """Heat maps, model x method, one a composition; readable and clickable without scripts."""

    kind = "matrix"
    suffix = ".html"

    def render(self, results: Sequence[AuditResult], options: ReportOptions) -> str:
        """The page; with `options.baseline` it marks what changed since then."""
        return matrix_page(results, options)


def matrix_page(results: Sequence[AuditResult], options: ReportOptions) -> str:
    """The page for any number of results."""
    views = [_grid(number, grid) for number, grid in enumerate(grids(results, options.baseline))]
    cells = [cell for view in views for _, row in view.rows for cell in row if cell]
    tally = Counter(result.verdict for result in results)
    return page(
        "matrix.html.j2",
        ("page.js", "matrix.js"),
        grids=views,
        audits=[(cell, [_audit(results[n]) for n in cell.cell.numbers]) for cell in cells],
        tally=[(verdict, words.TONE[verdict], tally[verdict]) for verdict in BADNESS if tally[verdict]],
        total=len(results),
        changed=sorted(
            (cell for cell in cells if cell.cell.change), key=lambda item: URGENCY.index(item.cell.change)
        ),
        compared=bool(options.baseline),
        missing=missing(results, options.baseline),
    )


def _grid(number: int, grid: Grid) -> GridView:
    rows = []
    for row, model in enumerate(grid.models):
        cells: list[CellView | None] = []
        for column, method in enumerate(grid.methods):
            cell = grid.cells.get((model, method))
            anchor = f"cell-{number}-{row}-{column}"
            cells.append(CellView(cell, anchor, words.TONE[cell.verdict]) if cell else None)
        rows.append((model, cells))
    return GridView(grid, rows)


def _audit(result: AuditResult) -> AuditView:
    # Hundreds of graphs would make the page huge; an audit's own page has it.
    return audit_view(result.model_copy(update={"graph": None}))
