"""Issue 744 of adapters as its users met it: found in the release where it lives, gone where it was fixed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from library_releases import environment_with, folders_with

T5 = "adapters/models/t5/modeling_t5.py"


def audited(folder: Path) -> Any:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "adapter_audit.auditor.cli", "google/flan-t5-base"),
            *("--compose", "parallel:5", "--batch", "1", "--seq-len", "140"),
            *("--no-cache", "--report", "json"),
        ],
        env=environment_with(folder),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("folder", folders_with("1.0.0"))
def test_the_stale_batch_size_is_the_cause(folder: Path) -> None:
    result = audited(folder)
    first = result["findings"][0]
    assert (result["verdict"], first["rule"]) == ("crash", "AA103")
    assert (first["primary"]["file"], first["primary"]["line"]) == (T5, 87)
    (symptom,) = (place for place in first["related"] if place["role"] == "symptom")
    assert (symptom["file"], symptom["line"]) == (T5, 178)
    text = json.dumps(first)
    assert "[1, 12, 700, 64]" in text
    assert "[1, 12, 140, 64]" in text
    assert "issue 744" in first["explanation"]


@pytest.mark.parametrize("folder", folders_with("1.0.1"))
def test_it_is_gone_where_it_was_fixed(folder: Path) -> None:
    result = audited(folder)
    assert result["environment"]["adapters"] == "1.0.1"
    assert not [f for f in result["findings"] if f["severity"] == "error"]
