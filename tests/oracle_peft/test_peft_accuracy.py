"""What the auditor says of a sample of the grid, by its public interface, against the kept truths.

The whole grid is `benchmarks/peft_agreement.py`, which this runs, with each release.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from peft_releases import FOLDERS, HANGS, MISSING, environment_of

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "peft_agreement.py"
SAMPLE = {"0.21.2": 15, "0.17.1": 29, "0.13.2": 31}
"""Release -> of so many cells one is audited, the same ones always."""
OPEN = {
    # A user who never calls set_adapter meets it: the audit does, and the adapter's head is active then.
    "head/bert/lora-SequenceClassification-some",
    "head/bert/lora-SequenceClassification-some-base",
}
"""Cells of 0.13.2 that the auditor is known to judge otherwise."""
GROUPS = ("stops", "silent errors", "sound")


@pytest.mark.parametrize("release", SAMPLE)
def test_a_sample_of_the_grid_is_judged_as_the_oracle_does(release: str) -> None:
    assert release in FOLDERS, MISSING
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(BENCHMARK), release, "--every", str(SAMPLE[release])],
        env=environment_of(release),
        capture_output=True,
        text=True,
        timeout=HANGS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = re.fullmatch(", ".join(rf"{group} (\d+)/(\d+)" for group in GROUPS), done.stdout.splitlines()[-1])
    assert found is not None, done.stdout
    numbers = [int(n) for n in found.groups()]
    differ = set(re.findall(r"^\w+ +\w+ +(\w+/\S+)", done.stdout, re.M))
    assert differ <= (OPEN if release == "0.13.2" else set()), done.stdout
    assert sum(numbers[1::2]) - sum(numbers[::2]) == len(differ)
    assert min(numbers) >= 1
