"""No finding of severity error on what is healthy in every release (`benchmarks/healthy.py` runs all)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from .healthy import METHODS_OF, everything, sample

COMMAND = [sys.executable, "-m", "adapter_audit.auditor.cli", "batch"]


def test_every_set_up_is_found_compatible(tmp_path: Path) -> None:
    specs = sample(tmp_path / "models")
    lines, results = tmp_path / "specs.jsonl", tmp_path / "results.jsonl"
    lines.write_text("".join(json.dumps(spec) + "\n" for spec in specs))
    done = subprocess.run(
        [*COMMAND, str(lines), "-o", str(results), "--quiet", "--no-cache", "--report", "markdown"],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    found = [json.loads(line) for line in results.read_text().splitlines()]
    assert [result["id"] for result in found] == [spec["id"] for spec in specs]
    told = {r["id"]: [r["verdict"], *(f["message"] for f in r["findings"])] for r in found}
    assert {name: t for name, t in told.items() if t[0] != "compatible"} == {}
    assert not [r["id"] for r in found for f in r["findings"] if f["severity"] == "error"]
    assert all(r["coverage"]["ops"] > 100 and "probe" in r["seconds"] for r in found), "nothing was skipped"
    assert (done.returncode, len(found)) == (0, sum(map(len, METHODS_OF.values())) + 3)


def test_all_of_it_has_distinct_ids(tmp_path: Path) -> None:
    specs = everything(tmp_path)
    assert len({spec["id"] for spec in specs}) == len(specs) == 18 * len(sample(tmp_path))
