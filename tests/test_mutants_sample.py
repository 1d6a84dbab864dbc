"""A fixed sample of the mutation run (`benchmarks/mutants.py`): each kind of defect is seen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "mutants.py"
SAMPLE = {
    "lora-interleaved": "wrong",
    "bottleneck-small-leak": "wrong",
    "average-weights-reversed": "wrong",
    "skipped-in-last-layer": "compatible",  # with a warning: the adapter acts in the other layers
    "prefix-in-first-lane-only": None,
    "init-changes-weights": "wrong",
    "inputs-written": "wrong",
}
"""Defect -> verdict; None where any that kills will do."""


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    """The run's rows by defect."""
    file = tmp_path_factory.mktemp("mutants") / "rows.json"
    command = [
        sys.executable,
        str(BENCHMARK),
        "--only",
        ",".join(SAMPLE),
        "--families",
        "bert",
        "-o",
        str(file),
    ]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=dict(os.environ, OMP_NUM_THREADS="1"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {row["defect"]: row for row in json.loads(file.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("defect", SAMPLE)
def test_library_is_right_without_the_defect(defect: str, rows: dict[str, dict[str, object]]) -> None:
    assert rows[defect]["without"] == "compatible"


@pytest.mark.parametrize("defect", SAMPLE)
def test_defect_is_killed(defect: str, rows: dict[str, dict[str, object]]) -> None:
    assert rows[defect]["killed"]
    assert SAMPLE[defect] in (None, rows[defect]["verdict"])


def test_unknown_names_are_refused() -> None:
    done = subprocess.run(
        [sys.executable, str(BENCHMARK), "--only", "no-such-defect"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "no defect or family is named no-such-defect" in done.stderr
