"""Run the oracle over many specs: worker processes of any interpreter, answers in order, verdicts cached."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import queue
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1]
_BATCH = 20
_NO_JUDGES = ("grid", "methods", "models", "pool", "shapes")
"""Modules that choose cases; a case is known by its content, so they cannot make a verdict stale."""
Spec = dict[str, Any]
Result = dict[str, Any]


def source_digest() -> str:
    """Digest of the oracle's own code: a changed oracle must not be answered from an old cache."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        if file.stem not in _NO_JUDGES and not file.stem.startswith("test_"):
            digest.update(ast.dump(ast.parse(file.read_text())).encode())
    return digest.hexdigest()[:16]


def spec_key(spec: Spec) -> str:
    """Key of a spec that does not depend on where its model directory lies or what it is called."""
    config = Path(spec["model"]) / "config.json"
    content = config.read_text() if config.exists() else spec["model"]
    body = {k: v for k, v in spec.items() if k not in ("id", "model")}
    return hashlib.sha256(json.dumps([body, content], sort_keys=True).encode()).hexdigest()[:24]


class Cache:
    """Verdicts on disk, one JSON line each, for one release and one version of the oracle."""

    def __init__(self, path: Path | None, release: str) -> None:
        self.path, self.prefix = path, f"{release}:{source_digest()}"
        self.known: dict[str, dict[str, Any]] = {}
        if path is not None and path.exists():
            for line in path.read_text().splitlines():
                entry = json.loads(line)
                if entry["for"] == self.prefix:
                    self.known[entry["key"]] = entry["result"]

    def get(self, spec: Spec) -> dict[str, Any] | None:
        """Return the verdict known for the spec, if any."""
        return self.known.get(spec_key(spec))

    def put(self, spec: dict[str, Any], result: Spec) -> None:
        """Remember a verdict, on disk at once."""
        self.known[spec_key(spec)] = result
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a") as file:
                file.write(json.dumps({"for": self.prefix, "key": spec_key(spec), "result": result}) + "\n")


def judge_all(
    specs: Sequence[Spec], python: Sequence[str], jobs: int = 1, cache: Cache | None = None
) -> list[Result]:
    """Judge all specs with the interpreter command ``python``; results come in the order of the specs."""
    pool = _Pool(specs, python, cache)
    threads = [threading.Thread(target=pool.feed) for _ in range(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return pool.finished()


class _Pool:
    """The work of several worker processes, each fed by a thread of its own."""

    def __init__(self, specs: Sequence[Spec], python: Sequence[str], cache: Cache | None) -> None:
        self.specs, self.python, self.cache = specs, python, cache
        self.results: dict[int, Result] = {}
        self.lock = threading.Lock()
        self.todo: queue.Queue[list[int]] = queue.Queue()
        for index, spec in enumerate(specs):
            known = cache.get(spec) if cache else None
            if known is not None:
                self.results[index] = known
        missing = [i for i in range(len(specs)) if i not in self.results]
        for start in range(0, len(missing), _BATCH):
            self.todo.put(missing[start : start + _BATCH])

    def feed(self) -> None:
        """Start a worker and keep it busy until nothing is left; stop early if it dies."""
        if self.todo.empty():
            return
        with _start(self.python) as worker:
            assert worker.stdin is not None
            assert worker.stdout is not None
            while True:
                try:
                    batch = self.todo.get_nowait()
                except queue.Empty:
                    return
                requests = [{"index": i, "spec": self.specs[i]} for i in batch]
                worker.stdin.write("".join(json.dumps(r) + "\n" for r in (*requests, {"flush": True})))
                worker.stdin.flush()
                for _ in batch:
                    line = worker.stdout.readline()
                    if not line:
                        return
                    self._keep(json.loads(line))

    def _keep(self, answer: Spec) -> None:
        with self.lock:
            self.results[answer["index"]] = answer["result"]
            if self.cache:
                self.cache.put(self.specs[answer["index"]], answer["result"])

    def finished(self) -> list[Result]:
        """Return the results in order; raises RuntimeError where a worker gave none."""
        lost = [i for i in range(len(self.specs)) if i not in self.results]
        if lost:
            raise RuntimeError(
                f"the oracle gave no answer for {len(lost)} specs, first {self.specs[lost[0]]}"
            )
        return [self.results[i] for i in range(len(self.specs))]


def _start(python: Sequence[str]) -> subprocess.Popen[str]:
    paths = [str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(paths),
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "0",
    }
    command = [*_keep_path(python, str(TESTS)), "-m", "oracle.worker"]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    )


def _keep_path(python: Sequence[str], folder: str) -> list[str]:
    """Add our folder where the command sets PYTHONPATH itself (``env PYTHONPATH=... python``)."""
    return [f"{part}{os.pathsep}{folder}" if part.startswith("PYTHONPATH=") else part for part in python]
