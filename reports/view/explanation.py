"""One finding told step by step, as Markdown: what was run, what went where, what came of it, what to do."""

from __future__ import annotations

from collections.abc import Iterator

from adapter_audit.auditor.schema.result import AuditResult, Evidence, Finding, Fix

from . import words
from .chain import chain

FENCE = "```"


def explanation(result: AuditResult, finding: Finding, why: str) -> str:
    """The page; `why` is what the rule says about why such a thing is bad."""
    parts = [
        f"# {finding.rule} {finding.name}",
        f"{finding.severity.value}, {words.CONFIDENCE[finding.confidence]}: {_ended(finding.message)}",
        *_numbered(result, finding),
        f"## Why this is bad\n\n{why}" if why else "",
        *_fixes(finding),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _numbered(result: AuditResult, finding: Finding) -> Iterator[str]:
    """The steps, from the request to what shows."""
    told = [_run(result), *(_told(step) for step in _steps(finding)), _outcome(finding)]
    yield "## Step by step"
    for number, text in enumerate(told, 1):
        yield f"{number}. " + text.replace("\n", "\n   ")


def _run(result: AuditResult) -> str:
    sizes = words.axes_line(result)
    return f"This was run: {words.headline(result)}." + (f"\nIts sizes: {sizes}." if sizes else "")


def _steps(finding: Finding) -> list[Evidence]:
    steps = [Evidence(text=step.text, location=step.location) for step in chain(finding)]
    return steps or [Evidence(text="This is the place.", location=finding.primary)]


def _told(step: Evidence) -> str:
    """The words of a step, its place, its tensor and its line."""
    lines = [_ended(step.text[:1].upper() + step.text[1:])]
    place = step.location
    if place is None:
        return lines[0]
    where = words.place(place)
    if where or place.module:
        lines.append(
            f"At {where or 'this module'}" + (f", in {place.module}." if where and place.module else ".")
        )
    if words.shape(place):
        lines.append(f"The tensor here is {words.shape(place)}.")
    if place.code:
        lines.append(f"{FENCE}python\n{place.code}\n{FENCE}")
    return "\n".join(lines)


def _outcome(finding: Finding) -> str:
    lines = [f"So the verdict is {finding.verdict.value}. {words.SENTENCE[finding.verdict]}"]
    lines += [f"{name}: {shape}" for name, shape in finding.shapes.items()]
    if finding.lanes:
        lines.append(f"It concerns the lanes {', '.join(map(str, finding.lanes))}, counted from 0.")
    if len(finding.modules) > 1:
        folded = words.fold_modules(finding.modules)
        lines.append(
            f"The same happens in {words.count(len(finding.modules), 'module')}: {', '.join(folded)}."
        )
    if finding.explanation:
        lines.append(finding.explanation)
    return "\n".join(lines)


def _fixes(finding: Finding) -> Iterator[str]:
    fixes = words.ordered_fixes(finding)
    if fixes:
        yield "## What to do"
    for fix in fixes:
        yield f"{_ended(f'{fix.status}, {words.fix_kind(fix)}: {fix.title}')}{_reason(fix)}"
        if fix.code or fix.diff:
            kind = "python" if fix.code else "diff"
            yield f"{FENCE}{kind}\n{(fix.code or fix.diff).rstrip()}\n{FENCE}"


def _reason(fix: Fix) -> str:
    return f" ({fix.reason})" if fix.reason else ""


def _ended(text: str) -> str:
    return text if text.endswith((".", ":", "?", "!")) else f"{text}."
