"""Judge many cells: worker processes with one release of peft, a child a cell, results kept as JSON lines."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1]
_JUDGES = ("blame", "dense", "history", "judge", "language", "observe", "subject")
"""Modules a truth depends on; those that choose or run cells cannot make one stale."""
Spec = dict[str, Any]


def judge_all(
    cells: list[Spec], path: Path | None, folder: Path, jobs: int = 2
) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Truths in the order of the cells, and the release; raises RuntimeError where a worker gave none."""
    release = _release(path)
    kept = folder / f"peft-{release['peft']}.jsonl"
    folder.mkdir(parents=True, exist_ok=True)
    stamp = _stamp(release)
    known = _known(kept, stamp)
    todo = sorted((c for c in cells if _key(c) not in known), key=lambda c: (c["model"], c.get("head", "")))
    lock = threading.Lock()

    def work(part: list[Spec]) -> None:
        for cell, truth in _work(part, path):
            with lock, kept.open("a") as file:
                known[_key(cell)] = truth
                line = {"for": stamp, "key": _key(cell), "id": cell["id"], "truth": truth}
                file.write(json.dumps(line) + "\n")

    threads = [threading.Thread(target=work, args=(part,)) for part in _parts(todo, jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lost = [c["id"] for c in cells if _key(c) not in known]
    if lost:
        raise RuntimeError(f"no truth for {len(lost)} cells, first {lost[0]}")
    return release, [known[_key(c)] for c in cells]


def _parts(cells: list[Spec], jobs: int) -> list[list[Spec]]:
    """Neighbours stay together: a worker imports few models."""
    size = -(-len(cells) // jobs) or 1
    return [cells[i : i + size] for i in range(0, len(cells), size)]


def _work(part: list[Spec], path: Path | None) -> Iterator[tuple[Spec, dict[str, Any]]]:
    command = [sys.executable, "-m", "oracle_peft.worker"]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment(path),
    ) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdin.write("".join(json.dumps(cell) + "\n" for cell in part))
        worker.stdin.close()
        for cell, line in zip(part, worker.stdout, strict=False):
            yield cell, json.loads(line)


def environment(path: Path | None) -> dict[str, str]:
    paths = [str(p) for p in (path, TESTS) if p is not None]
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(paths),
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "0",
    }


def _release(path: Path | None) -> dict[str, str]:
    code = (
        "import json; from importlib.metadata import version; "
        "print(json.dumps({n: version(n) for n in ('peft', 'transformers', 'accelerate', 'torch')}))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], env=environment(path), capture_output=True, text=True, check=False
    )
    if answer.returncode:
        raise RuntimeError(f"no peft to be found in {path}: {answer.stderr.splitlines()[-1]}")
    return dict(json.loads(answer.stdout))


def _stamp(release: dict[str, str]) -> str:
    digest = hashlib.sha256(json.dumps(release, sort_keys=True).encode())
    for name in _JUDGES:
        source = (Path(__file__).parent / f"{name}.py").read_text()
        digest.update(ast.dump(ast.parse(source)).encode())
    return digest.hexdigest()[:16]


def _key(cell: Spec) -> str:
    body = {k: v for k, v in cell.items() if k not in ("id", "model")}
    config = (Path(cell["model"]) / "config.json").read_text()
    return hashlib.sha256(json.dumps([body, config], sort_keys=True).encode()).hexdigest()[:24]


def _known(kept: Path, stamp: str) -> dict[str, dict[str, Any]]:
    if not kept.exists():
        return {}
    lines = (json.loads(line) for line in kept.read_text().splitlines())
    return {line["key"]: line["truth"] for line in lines if line["for"] == stamp}
