"""Markdown for job summaries and pull request comments on GitHub and GitLab."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from adapter_audit.auditor.schema.result import AuditResult, Evidence, Finding, Fix, Verdict

from ..report import Report, ReportOptions
from ..view import words
from ..view.cells import Grid, grids
from ..view.prepare import shorten

LIMIT = 60_000
"""Characters; a pull request comment holds 65,536."""
LONGEST_TEXT = 1000
MAX_DIFF_LINES = 60
ICON: dict[words.Tone, str] = {"good": "✅", "note": "ℹ️", "warning": "⚠️", "bad": "❌", "unknown": "❔"}  # noqa: RUF001
_ENTITY = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;"}
_ACTIVE = re.compile(r"[\\`*_\[\]!|~$]")
_LINE_START = re.compile(r"^(\s*\d*)([#+\-=.)])")
_REFERENCE = re.compile(r"#(?=\d)")
_BARE_LINK = re.compile(r":(?=//)|(?<=www)\.", re.IGNORECASE)


class MarkdownReport(Report):
    """A heading with the verdict, then the findings; long chains and diffs are folded away."""

    kind = "markdown"
    suffix = ".md"

    def render(self, results: Sequence[AuditResult], options: ReportOptions) -> str:
        """The document, as far as it fits."""
        blocks = list(_overview(results, options)) if len(results) != 1 else []
        blocks += [block for result in results for block in _result(result, brief=len(results) != 1)]
        return fitting(blocks)


def fitting(blocks: Sequence[str]) -> str:
    """The document of these blocks; what does not fit into a comment is counted at the end."""
    kept: list[str] = []
    used = 0
    for block in blocks:
        used += len(block) + 2
        if used > LIMIT:
            kept.append(f"*{words.count(len(blocks) - len(kept), 'more part')} did not fit here.*")
            break
        kept.append(block)
    return "\n\n".join(kept) + "\n"


def text(value: str, limit: int = LONGEST_TEXT) -> str:
    """Text that Markdown shows as it is: no markup, no HTML, no links, no mentions, one line."""
    escaped = _ACTIVE.sub(lambda match: f"\\{match[0]}", shorten(value, limit))
    # Entities hold `#` and `;`, so what looks for these comes first.
    escaped = _REFERENCE.sub(r"\\#", escaped)
    escaped = "".join(_ENTITY.get(char, char) for char in escaped)
    escaped = _BARE_LINK.sub(lambda match: f"&#{ord(match[0])};", escaped)
    return _LINE_START.sub(r"\1\\\2", escaped)


def fenced(code: str, language: str) -> str:
    """A code block that no run of backticks in the code can end."""
    longest = max((len(run) for run in re.findall("`+", code)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{code.rstrip()}\n{fence}"


def _overview(results: Sequence[AuditResult], options: ReportOptions) -> Iterable[str]:
    yield f"## adapter-audit: {words.count(len(results), 'audit')}"
    for grid in grids(results, options.baseline):
        yield f"### {text(grid.compose)}"
        yield _table(grid)


def _table(grid: Grid) -> str:
    rows = [["model", *(text(method, 60) for method in grid.methods)], ["---"] * (len(grid.methods) + 1)]
    for model in grid.models:
        rows.append([text(model, 80), *(_cell(grid, model, method) for method in grid.methods)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(grid: Grid, model: str, method: str) -> str:
    cell = grid.cells.get((model, method))
    if cell is None:
        return " "
    was = f" (was {cell.before.value})" if cell.before and cell.change else ""
    return f"{ICON[words.TONE[cell.verdict]]} {cell.verdict.value}{was}"


def _result(result: AuditResult, *, brief: bool) -> Iterable[str]:
    found = words.open_findings(result)
    if brief and not found and not result.error:
        return
    icon = ICON[words.TONE[result.verdict]]
    heading = "###" if brief else "##"
    yield f"{heading} {icon} {result.verdict.value}: {text(words.headline(result))}"
    yield text(result.error or words.summary(result))
    for finding in found:
        yield from _finding(finding)
    yield from _footer(result)


def _finding(finding: Finding) -> Iterable[str]:
    yield f"#### {text(finding.rule)} {text(finding.name)} ({finding.severity.value}, " + (
        f"{words.CONFIDENCE[finding.confidence]})"
    )
    yield text(finding.message)
    place = finding.primary
    facts = [("At", words.place(place)), ("In", place.module), *finding.shapes.items()]
    if finding.lanes:
        facts.append(("Lanes", ", ".join(map(str, finding.lanes))))
    others = [m for m in finding.modules if m != place.module]
    if others:
        facts.append(("Also in", ", ".join(words.fold_modules(others))))
    yield "\n".join(f"- **{text(name)}:** {text(value)}" for name, value in facts if value)
    if place.code:
        yield fenced(place.code, "python")
    if finding.evidence:
        steps = "\n".join(f"{n}. {_step(step)}" for n, step in enumerate(finding.evidence, 1))
        yield f"<details><summary>How it comes about</summary>\n\n{steps}\n\n</details>"
    if finding.explanation:
        yield text(finding.explanation)
    for fix in words.ordered_fixes(finding):
        yield from _fix(fix)


def _step(step: Evidence) -> str:
    place = step.location
    where = ", ".join(part for part in (words.place(place), words.shape(place)) if part) if place else ""
    return text(step.text) + (f" ({text(where)})" if where else "")


def _fix(fix: Fix) -> Iterable[str]:
    reason = f" ({text(fix.reason)})" if fix.reason else ""
    yield f"**To do, {fix.status}** ({words.fix_kind(fix)}): {text(fix.title)}{reason}"
    code, language = (fix.code, "python") if fix.code else (fix.diff, "diff")
    if not code:
        return
    lines = code.splitlines()
    shown = "\n".join(lines[:MAX_DIFF_LINES])
    if len(lines) > MAX_DIFF_LINES:
        shown += f"\n({words.count(len(lines) - MAX_DIFF_LINES, 'more line')})"
    yield f"<details><summary>Code</summary>\n\n{fenced(shown, language)}\n\n</details>"


def _footer(result: AuditResult) -> Iterable[str]:
    hidden = words.hidden_findings(result)
    lines = [f"Seen: {words.coverage_line(result)}."]
    lines += [f"Ignored or in the baseline: {words.tally(hidden)}."] if hidden else []
    lines += [f"Not decided: {reason}" for reason in result.unknowns]
    lines += [f"Not run: {skip.rule}: {skip.reason}" for skip in result.skipped]
    lines += [f"Note: {note}" for note in result.notes]
    lines += [f"With {words.versions_line(result)}."] if words.versions_line(result) else []
    if result.verdict is Verdict.COMPATIBLE or lines:
        yield "\n".join(f"- {text(line)}" for line in lines)
