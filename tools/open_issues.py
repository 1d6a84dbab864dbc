"""Opens one issue for each cause in a comparison that broke something, unless it has one that is open.

    python -m tools.open_issues COMPARISON.json

Uses GitHub's `gh`, in the repository that it is run in. The cause's fingerprint, in a comment that nobody
sees, tells whether there is an issue already.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from adapter_audit.auditor.schema.comparison import Comparison, Kind
from adapter_audit.reports.comparison_report import render_comparison
from adapter_audit.reports.view import comparison_view as view


@dataclass(frozen=True)
class Issue:
    """One break as an issue."""

    mark: str
    title: str
    body: str


def issues(comparison: Comparison) -> Iterator[Issue]:
    """One for each cause."""
    for group in view.groups(comparison, Kind.BROKEN):
        told = group.cause.fingerprint if group.cause is not None else group.reason[:60]
        mark = f"<!-- adapter-audit break {told} -->"
        only = comparison.model_copy(update={"pairs": group.pairs})
        title = f"{comparison.after.label} breaks {len(group.pairs)}: {group.reason}"[:240]
        yield Issue(mark, title, f"{render_comparison('markdown', only)}\n{mark}\n")


def main() -> int:
    """Open what is not there yet."""
    comparison = Comparison.model_validate_json(Path(sys.argv[1]).read_text(encoding="utf-8"))
    listed = _gh("issue", "list", "--state", "open", "--limit", "500", "--json", "body")
    known = "".join(issue["body"] for issue in json.loads(listed))
    for issue in issues(comparison):
        if issue.mark in known:
            print(f"has an issue: {issue.title}")
            continue
        print(f"opened: {_gh('issue', 'create', '--title', issue.title, '--body', issue.body).strip()}")
    return 0


def _gh(*arguments: str) -> str:
    return subprocess.run(["gh", *arguments], capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    sys.exit(main())
