"""Memory over many specs in one process: `batch --static-only` over the grid.

    python benchmarks/memory.py --size 5000

Prints resident megabytes at every tenth of the run. The share of growth is counted from the first
tenth on, when all libraries are loaded and every kind of model was built.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from oracle.grid import grid  # noqa: E402


def resident(process: int) -> float:
    """Megabytes in memory of a process."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--size", type=int, default=5000, help="number of specs")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        specs = grid(options.seed, options.size, version("adapters"), folder / "models")
        lines, results = folder / "specs.jsonl", folder / "results.jsonl"
        lines.write_text("".join(json.dumps(spec) + "\n" for spec in specs))
        command = [sys.executable, "-m", "adapter_audit.auditor.cli", "batch", str(lines), "-o", str(results)]
        process = subprocess.Popen(
            [*command, "--static-only", "--no-cache", "--quiet"], env=os.environ | {"OMP_NUM_THREADS": "1"}
        )
        seen = follow(process, results, options.size)
    first, last = seen[1], seen[-1]
    print(f"from {first:.0f} MB after a tenth to {last:.0f} MB at the end: {100 * (last / first - 1):+.1f} %")


def follow(process: subprocess.Popen[bytes], results: Path, size: int) -> list[float]:
    """Megabytes at the first line and at every tenth of the run."""
    seen: list[float] = []
    held = 0.0
    while process.poll() is None:
        held = resident(process.pid) or held  # it may have ended since it was asked
        done = results.read_bytes().count(b"\n") if results.exists() else 0
        if done >= max(1, len(seen) * size // 10 - 1):
            seen.append(held)
            print(f"{done:6} lines  {seen[-1]:7.0f} MB", flush=True)
        time.sleep(0.05)
    return seen


if __name__ == "__main__":
    main()
