"""Runs the command as a user does: a process of its own, offline, with an empty cache."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ENTRY = "import sys; sys.argv[0] = 'adapter-audit'; from adapter_audit.auditor.cli import entry; entry()"


@dataclass(frozen=True)
class Ran:
    """What a command printed and its exit code."""

    code: int
    out: str
    err: str

    def result(self) -> dict[str, Any]:
        """The JSON report on stdout."""
        found: dict[str, Any] = json.loads(self.out)
        return found


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Ran]:
    def call(*arguments: str, **environment: str) -> Ran:
        keep = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "PYTHONPATH", "TMPDIR", "LANG")}
        settings = {
            "HF_HUB_OFFLINE": "1",
            "HF_HOME": str(tmp_path / "hf"),
            "ADAPTER_AUDIT_CACHE": str(tmp_path / "cache"),
            "OMP_NUM_THREADS": "1",
            "COLUMNS": "100",
            "NO_COLOR": "1",
        }
        done = subprocess.run(
            [sys.executable, "-c", ENTRY, *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env=keep | settings | environment,
            timeout=180,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Ran(done.returncode, done.stdout, done.stderr)

    return call
