"""Source rules of other packages, through the entry point."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

RULE = '''
from adapter_audit.rules.source_rule import SourceRule

class NoTabs(SourceRule):
    """No tabs."""
    id, name = "XX600", "no-tabs"

    def check(self, source):
        if "\\t" in source.text:
            yield self.flaw(source, (1, 0), "there is a tab")
'''


def test_rule_of_another_package_runs(tmp_path: Path) -> None:
    (tmp_path / "other_rules.py").write_text(RULE)
    metadata = tmp_path / "other-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[adapter_audit.rules]\nother = other_rules\n")
    (tmp_path / "code.py").write_text("if x:\n\tpass\n")
    done = subprocess.run(
        [sys.executable, "-m", "adapter_audit.auditor.lint.command", "code.py"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "code.py:1:1: XX600 there is a tab\n")
