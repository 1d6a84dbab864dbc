"""Issue 744 of adapters as its users met it: found in the release where it lives, gone where it was fixed.

Releases are named by ADAPTER_AUDIT_RELEASES, a list of folders (as in PATH) with `adapters` and its needs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import distributions
from typing import Any

import pytest

FOLDERS = [p for p in os.environ.get("ADAPTER_AUDIT_RELEASES", "").split(os.pathsep) if p]
T5 = "adapters/models/t5/modeling_t5.py"


def with_release(version: str) -> list[str]:
    return [
        folder
        for folder in FOLDERS
        if any(
            d.metadata["Name"] == "adapters" and d.version == version for d in distributions(path=[folder])
        )
    ]


def audited(folder: str) -> Any:
    path = os.pathsep.join(filter(None, (folder, os.environ.get("PYTHONPATH", ""))))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "adapter_audit.auditor.cli", "google/flan-t5-base"),
            *(
                "--compose",
                "parallel:5",
                "--batch",
                "1",
                "--seq-len",
                "140",
                "--no-cache",
                "--report",
                "json",
            ),
        ],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("folder", with_release("1.0.0"))
def test_the_stale_batch_size_is_the_cause(folder: str) -> None:
    result = audited(folder)
    first = result["findings"][0]
    assert (result["verdict"], first["rule"]) == ("crash", "AA103")
    assert (first["primary"]["file"], first["primary"]["line"]) == (T5, 87)
    (symptom,) = (place for place in first["related"] if place["role"] == "symptom")
    assert (symptom["file"], symptom["line"]) == (T5, 178)
    told = json.dumps(first)
    assert "[1, 12, 700, 64]" in told
    assert "[1, 12, 140, 64]" in told
    assert "issue 744" in first["explanation"]


@pytest.mark.parametrize("folder", with_release("1.0.1"))
def test_it_is_gone_where_it_was_fixed(folder: str) -> None:
    result = audited(folder)
    assert not [f for f in result["findings"] if f["severity"] == "error"]
