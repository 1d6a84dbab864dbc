"""GitHub annotations: workflow commands that an Actions runner reads from the log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from adapter_audit.auditor.schema.result import AuditResult, Finding, Severity, Verdict

from ..report import Report, ReportOptions
from ..view import words
from ..view.prepare import shorten

COMMAND = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}
LONGEST_TITLE = 120
LONGEST_MESSAGE = 4000


class GithubReport(Report):
    """One annotation a finding, one notice a clean audit, on the line that declares the composition."""

    kind = "github"
    suffix = ".txt"

    def render(self, results: Sequence[AuditResult], options: ReportOptions) -> str:
        """The workflow commands, one a line."""
        lines = [line for result in results for line in _lines(result, options)]
        return "".join(f"{line}\n" for line in lines)


def _lines(result: AuditResult, options: ReportOptions) -> Iterable[str]:
    about = words.headline(result)
    found = words.open_findings(result)
    for finding in found:
        title = f"{finding.rule} {finding.name}"
        yield _command(COMMAND[finding.severity], title, _message(finding, about), options)
    if found:
        return
    sentence = result.error or words.summary(result)
    broken = result.error or result.verdict is not Verdict.COMPATIBLE
    yield _command("warning" if broken else "notice", result.verdict.value, f"{sentence}\n{about}", options)


def _message(finding: Finding, about: str) -> str:
    lines = [
        finding.message,
        " ".join(part for part in (words.place(finding.primary), finding.primary.code) if part),
        finding.primary.module,
        *(f"{name}: {shape}" for name, shape in finding.shapes.items()),
        *(f"To do ({fix.status}): {fix.title}" for fix in words.ordered_fixes(finding)),
        about,
    ]
    return "\n".join(line for line in lines if line)


def _command(name: str, title: str, message: str, options: ReportOptions) -> str:
    properties = {"title": shorten(title, LONGEST_TITLE)}
    if options.declared_at:
        file, line = options.declared_at
        properties = {"file": file, "line": str(line), **properties}
    written = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{name} {written}::{_data(message[:LONGEST_MESSAGE])}"


def _data(text: str) -> str:
    """The text as the runner unescapes it: one line, so that no other command can start in it."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
