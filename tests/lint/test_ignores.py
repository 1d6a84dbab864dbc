"""Inline ignores: they need a reason, count, and are reported when they are not needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapter_audit.auditor.lint import run
from adapter_audit.auditor.lint.convert import to_result
from adapter_audit.auditor.lint.lint_report import LintReport

BAD = "q = self.q(hidden_states).view(bsz, -1, 4)"
FILE = """class ToyWithAdapters(ToyAdaptersMixin, Toy):
    def forward(self, hidden_states):
        bsz = hidden_states.shape[0]
        {line}
        return q
"""


def lint(tmp_path: Path, line: str, **options: object) -> LintReport:
    file = tmp_path / "modeling.py"
    file.write_text(FILE.format(line=line))
    return run([file], **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "line",
    [
        f"{BAD}  # adapter-audit: ignore[AA601] never in Parallel",
        f"{BAD}  # adapter-audit: ignore[stale-batch-size] never in Parallel",
        f"{BAD}  # adapter-audit:ignore[AA602, AA601] never in Parallel",
        f"# adapter-audit: ignore[AA601] never in Parallel\n        {BAD}",
        f"# adapter-audit: ignore[AA601] never in Parallel\n        # more words\n\n        {BAD}",
    ],
)
def test_ignored_with_a_reason_is_counted(tmp_path: Path, line: str) -> None:
    report = lint(tmp_path, line)
    assert report.exit_code == 0
    assert "0 found" in report.summary()
    assert "1 ignored" in report.summary()
    (finding,) = to_result(report).findings
    assert (finding.status, finding.status_reason) == ("ignored", "never in Parallel")


@pytest.mark.parametrize(
    ("comment", "complaint"),
    [
        ("# adapter-audit: ignore[AA601]", "has no reason and does nothing"),
        ("# adapter-audit: ignore", "names no rule"),
        ("# adapter-audit: ignore[AA699] why", "there is no such rule"),
        ("# adapter-audit: ignore[AA602] why", "is not needed here"),
    ],
)
def test_useless_ignores_are_reported(tmp_path: Path, comment: str, complaint: str) -> None:
    report = lint(tmp_path, f"{BAD}  {comment}")
    assert report.exit_code == 1
    assert [p for p in report.problems() if complaint in p and ":4: " in p]


def test_ignores_of_audit_rules_and_of_rules_that_did_not_run_are_not_unused(tmp_path: Path) -> None:
    line = "q = hidden_states  # adapter-audit: ignore[AA101] a reason"
    assert list(lint(tmp_path, line).problems()) == []
    line = "q = hidden_states  # adapter-audit: ignore[AA601] a reason"
    assert list(lint(tmp_path, line, select=["AA602"]).problems()) == []
    assert len(list(lint(tmp_path, line).problems())) == 1


def test_text_in_a_string_is_no_comment(tmp_path: Path) -> None:
    report = lint(tmp_path, f'{BAD}; x = "# adapter-audit: ignore[AA601] no"')
    assert report.exit_code == 1
    assert list(report.problems()) == []
