"""How long `adapter-audit lint` takes, whole processes, beside `ruff check` and an empty Python.

    python benchmarks/lint.py [--files 1000] [--repeat 5] [--json FILE]

The files are copies of the model files of the installed `adapters`, with no cache of any kind.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIMITS = {"lint, many files": 5.0, "lint, one file": 0.3}
"""Seconds that must not be exceeded."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        one = copy_models(Path(folder), options.files)
        rows = {name: measure(command, options.repeat) for name, command in commands(folder, one).items()}
    for name, seconds in rows.items():
        limit = LIMITS.get(name)
        note = f"  (limit {limit} s)" if limit else ""
        print(f"{name:20} median {statistics.median(seconds):6.3f} s  best {min(seconds):6.3f} s{note}")
    if options.json:
        options.json.write_text(json.dumps({"files": options.files, "cpus": os.cpu_count(), "seconds": rows}))
    return int(any(statistics.median(rows[name]) > limit for name, limit in LIMITS.items()))


def commands(folder: str, one: Path) -> dict[str, list[str]]:
    """What is measured: name -> command."""
    lint = [sys.executable, "-m", "adapter_audit.auditor.cli", "lint", "-q"]
    ruff = [sys.executable.replace("python", "ruff") if shutil.which("ruff") is None else "ruff"]
    ruff += ["check", "-q", "--no-cache", "--isolated"]
    return {
        "python -c pass": [sys.executable, "-c", "pass"],
        "ruff, one file": [*ruff, str(one)],
        "lint, one file": [*lint, str(one)],
        "ruff, many files": [*ruff, folder],
        "lint, many files": [*lint, folder],
    }


def copy_models(folder: Path, count: int) -> Path:
    """Fill a folder with `count` model files; returns the largest of them."""
    spec = importlib.util.find_spec("adapters")
    if spec is None or spec.origin is None:
        raise SystemExit("lint benchmark: adapters is not installed, so there are no model files to copy")
    models = sorted(Path(spec.origin).parent.glob("models/*/*.py"))
    copies = []
    for index in range(count):
        source = models[index % len(models)]
        target = folder / f"copy{index // len(models)}" / source.parent.name / source.name
        target.parent.mkdir(parents=True, exist_ok=True)
        copies.append(Path(shutil.copy(source, target)))
    return max(copies, key=lambda p: p.stat().st_size)


def measure(command: list[str], repeat: int) -> list[float]:
    """Wall seconds of whole processes."""
    seconds = []
    for _ in range(repeat):
        started = time.perf_counter()
        done = subprocess.run(command, capture_output=True, check=False)
        seconds.append(time.perf_counter() - started)
        if done.returncode not in (0, 1):
            raise SystemExit(f"{' '.join(command)} failed: {done.stderr.decode()[-500:]}")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
