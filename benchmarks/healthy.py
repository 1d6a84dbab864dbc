"""False alarms on what is healthy in every release: auditor and oracle over all of `tests/oracle/healthy.py`.

    python benchmarks/healthy.py
    PYTHONPATH=/old/packages python benchmarks/healthy.py

Runs with the release of adapters that this interpreter imports. Exit code 1 when the auditor reports an
error, or when the oracle says that a set-up is not healthy.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from oracle.healthy import everything  # noqa: E402
from oracle.pool import judge_all  # noqa: E402


def audits(specs: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    lines, results = folder / "specs.jsonl", folder / "results.jsonl"
    lines.write_text("".join(json.dumps(spec) + "\n" for spec in specs))
    command = [sys.executable, "-m", "adapter_audit.auditor.cli", "batch", str(lines), "-o", str(results)]
    subprocess.run(
        [*command, "--quiet", "--no-cache", "--fail-on", "never", "--report", f"json={folder / 'all.json'}"],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=True,
    )
    return [json.loads(line) for line in results.read_text().splitlines()]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--step", type=int, default=1, help="only every N-th case of each set-up's 18")
    with tempfile.TemporaryDirectory() as folder:
        specs = everything(Path(folder) / "models")[:: parser.parse_args().step]
        found = audits(specs, Path(folder))
        judged = judge_all(specs, [sys.executable])
    truth = Counter(verdict["verdict"] for verdict in judged)
    errors = [r for r in found if any(f["severity"] == "error" for f in r["findings"])]
    print(f"adapters {version('adapters')}: {len(specs)} set-ups; oracle {dict(truth)}")
    print(f"auditor {dict(Counter(r['verdict'] for r in found))}, with an error {len(errors)}")
    for result in errors:
        print(f"  {result['id']}: {result['verdict']}: {result['summary']}")
    for spec, verdict in zip(specs, judged, strict=True):
        if verdict["verdict"] != "ok":
            print(f"  {spec['id']}: the oracle says {verdict['verdict']}")
    return int(bool(errors) or set(truth) != {"ok"})


if __name__ == "__main__":
    sys.exit(main())
