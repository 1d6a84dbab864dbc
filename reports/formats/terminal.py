"""The terminal report: verdict, findings with their source lines, what to do, what was not decided."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from adapter_audit.auditor.schema.result import AuditResult, Evidence, Finding, Fix, Location, Severity

from ..report import Report, ReportOptions
from ..view import words
from ..view.console_text import console_text
from ..view.prepare import shorten
from ..view.terminal_matrix import matrix_table

TONE_STYLE: dict[words.Tone, str] = {
    "good": "bold white on green",
    "note": "bold white on blue",
    "warning": "bold black on yellow",
    "bad": "bold white on red",
    "unknown": "bold white on magenta",
}
SEVERITY_STYLE = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow", Severity.NOTE: "bold blue"}
FIX_STYLE = {"verified": "bold green", "unverified": "yellow", "failed": "red"}
DIFF_STYLE = {"+": "green", "-": "red", "@": "cyan"}
MAX_FULL = 3
"""Findings shown in full; a screen holds no more."""
MAX_MODULES = 3
MAX_DIFF_LINES = 14
LONGEST_TEXT = 600


class TerminalReport(Report):
    """Text for a person at a terminal; readable without colour, piped, and at 80 columns."""

    kind = "terminal"
    suffix = ".txt"

    def render(self, results: Sequence[AuditResult], options: ReportOptions) -> str:
        """The report as text, with ANSI codes when `options.color` is set."""
        parts = _many(results, options) if len(results) != 1 else _one(results[0])
        return console_text(parts, options)


def _many(results: Sequence[AuditResult], options: ReportOptions) -> Iterable[RenderableType]:
    yield from matrix_table(results, options.baseline, options.width)
    for result in results:
        found = words.open_findings(result)
        if found or result.error:
            yield Text()
            yield _banner(result)
            yield Padding(Group(*(_brief(f) for f in found)), (0, 0, 0, 1))


def _brief(finding: Finding) -> Text:
    text = Text(f"{finding.rule} ")
    text.append(finding.severity.value, SEVERITY_STYLE[finding.severity])
    where = words.place(finding.primary)
    return text.append(
        f" {where}: {shorten(finding.message, 160)}" if where else f" {shorten(finding.message, 160)}"
    )


def _one(result: AuditResult) -> Iterable[RenderableType]:
    yield _banner(result)
    found = words.open_findings(result)
    for finding in found[:MAX_FULL]:
        yield Text()
        yield _finding(finding)
    if found[MAX_FULL:]:
        yield Text()
        yield Text(
            f"and {words.count(len(found) - MAX_FULL, 'more finding')}, in full with --report html=FILE:"
        )
        yield Padding(Group(*(_brief(finding) for finding in found[MAX_FULL:])), (0, 0, 0, 2))
    yield Text()
    yield from _footer(result)


def _banner(result: AuditResult) -> RenderableType:
    text = Text(f" {result.verdict.value.upper()} ", style=TONE_STYLE[words.TONE[result.verdict]])
    headline = Text("  ").append(words.headline(result), "bold")
    sentence = Text(shorten(words.summary(result), LONGEST_TEXT))
    error = [Text(shorten(result.error, LONGEST_TEXT), "red")] if result.error else []
    return Group(Text.assemble(text, headline), *error, sentence)


def _finding(finding: Finding) -> RenderableType:
    head = Text.assemble(
        (f"{finding.rule} {finding.name}", "bold"),
        "  ",
        (finding.severity.value, SEVERITY_STYLE[finding.severity]),
        f", {words.CONFIDENCE[finding.confidence]}",
    )
    body: list[RenderableType] = [Text(shorten(finding.message, LONGEST_TEXT)), _location(finding.primary)]
    if len(finding.lanes):
        body.append(_labelled("lanes", Text(", ".join(map(str, finding.lanes)))))
    if finding.shapes:
        body.append(_labelled("shapes", _pairs(finding.shapes.items())))
    chain = _chain(finding)
    if chain:
        body.append(_labelled("chain", Group(*chain)))
    others = [m for m in finding.modules if m != finding.primary.module]
    if others:
        body.append(_labelled("also in", Text(_some_modules(others))))
    if finding.explanation:
        body.append(_labelled("known", Text(shorten(finding.explanation, LONGEST_TEXT))))
    if finding.fixes:
        body.append(_labelled("to do", Group(*(_fix(fix) for fix in words.ordered_fixes(finding)))))
    return Group(head, Padding(Group(*body), (0, 0, 0, 2)))


def _labelled(label: str, content: RenderableType) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=8, no_wrap=True)
    grid.add_column(ratio=1, overflow="fold")
    grid.add_row(Text(label, "dim"), content)
    return grid


def _pairs(pairs: Iterable[tuple[str, str]]) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(overflow="fold")
    grid.add_column(overflow="fold")
    for name, value in pairs:
        grid.add_row(Text(shorten(name, 60)), Text(shorten(value, 200), "cyan"))
    return grid


@dataclass(frozen=True)
class _Beside:
    """Two texts on one line if they fit, else on two: a path or a shape is not broken without need."""

    first: Text
    second: Text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        gap = "  " if self.first and self.second else ""
        if self.first.cell_len + len(gap) + self.second.cell_len <= options.max_width:
            yield Text.assemble(self.first, gap, self.second)
        else:
            yield from (self.first, self.second)


def _location(place: Location) -> RenderableType:
    lines: list[RenderableType] = []
    if words.place(place) or place.module:
        module = Text(f"in {place.module}" if place.module else "")
        lines.append(_labelled("at", _Beside(Text(words.place(place), "bold"), module)))
    if place.code:
        lines.append(_labelled("", _code(place)))
    return Group(*lines)


def _code(place: Location) -> Text:
    return Text.assemble((f"{place.line or ''} | ", "dim"), (shorten(place.code, 300), "bold"))


def _chain(finding: Finding) -> list[RenderableType]:
    """The steps from origin to symptom; the related places where a rule gave no chain."""
    if finding.evidence:
        return [_step(number, step) for number, step in enumerate(finding.evidence, 1)]
    steps = [Evidence(text=words.ROLE[place.role], location=place) for place in finding.related]
    return [_step(None, step) for step in steps]


def _step(number: int | None, step: Evidence) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(ratio=1, overflow="fold")
    lines: list[RenderableType] = [Text(shorten(step.text, LONGEST_TEXT))]
    if step.location:
        where, shape = words.place(step.location), words.shape(step.location)
        if where or shape:
            lines.append(_Beside(Text(where, "bold"), Text(shape, "cyan")))
        if step.location.code:
            lines.append(Text(shorten(step.location.code, 300)))
    grid.add_row(Text(f"{number}." if number else "-", "dim"), Group(*lines))
    return grid


def _some_modules(modules: Sequence[str]) -> str:
    folded = words.fold_modules(modules)
    rest = len(folded) - MAX_MODULES
    return ", ".join(folded[:MAX_MODULES]) + (f" and {words.count(rest, 'more place')}" if rest > 0 else "")


def _fix(fix: Fix) -> RenderableType:
    title = Text.assemble((fix.status, FIX_STYLE[fix.status]), f" {words.fix_kind(fix)}: ")
    title.append(shorten(fix.title, LONGEST_TEXT))
    if fix.reason:
        title.append(f" ({shorten(fix.reason, 300)})", "dim")
    lines: list[RenderableType] = [title]
    if fix.code or fix.diff:
        lines.append(Padding(_excerpt(fix.code or fix.diff, diff=not fix.code), (0, 0, 0, 2)))
    return Group(*lines)


def _excerpt(code: str, *, diff: bool) -> Text:
    lines = code.strip("\n").splitlines()
    if diff:
        # A screen holds what changes and where; the context is in the other reports.
        lines = [line for line in lines if line[:1] in ("+", "-", "@") and line[:3] not in ("---", "+++")]
    shown = Text()
    for line in lines[:MAX_DIFF_LINES]:
        style = DIFF_STYLE.get(line[:1], "none")
        shown.append(line[:300] + "\n", style)
    if len(lines) > MAX_DIFF_LINES:
        shown.append(
            f"({words.count(len(lines) - MAX_DIFF_LINES, 'more line')} in the other reports)\n", "dim"
        )
    shown.right_crop(1)
    return shown


def _footer(result: AuditResult) -> Iterable[RenderableType]:
    found = words.open_findings(result)
    tally = words.tally(found)
    hidden = words.hidden_findings(result)
    if hidden:
        ignored = sum(f.status == "ignored" for f in hidden)
        tally += f"; {ignored} ignored, {len(hidden) - ignored} in the baseline"
    rows = [("found", tally), ("seen", words.coverage_line(result))]
    rows += [("unknown", shorten(reason, LONGEST_TEXT)) for reason in result.unknowns]
    if result.skipped:
        rows.append(("not run", "; ".join(f"{s.rule}: {shorten(s.reason, 200)}" for s in result.skipped)))
    rows += [("note", shorten(note, LONGEST_TEXT)) for note in result.notes]
    rows += [("axes", words.axes_line(result))] if result.axes else []
    rows += [("took", words.seconds_line(result))] if words.seconds_line(result) else []
    rows += [("with", words.versions_line(result))] if words.versions_line(result) else []
    for label, value in rows:
        yield _labelled(label, Text(value))
