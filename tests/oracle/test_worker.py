"""A case that dies or hangs costs one answer, not the run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from .blame import blame
from .pool import TESTS, Cache, judge_all, spec_key

FAKE = """
import os, sys, time
sys.path.insert(0, {tests!r})
import oracle.judge, oracle.worker
def judge(spec):
    if spec["id"] == "die": os.abort()
    if spec["id"] == "hang": time.sleep(60)
    return {{"verdict": "ok", "id": spec["id"]}}
oracle.judge.judge = judge
oracle.worker.TIMEOUT = 2.0
oracle.worker.main()
"""


def answers(ids: list[str]) -> list[dict[str, str]]:
    requests = "".join(json.dumps({"index": i, "spec": {"id": name}}) + "\n" for i, name in enumerate(ids))
    ended = subprocess.run(
        [sys.executable, "-c", FAKE.format(tests=str(TESTS))],
        input=requests,
        text=True,
        capture_output=True,
        check=True,
    )
    found = {a["index"]: a["result"] for a in map(json.loads, ended.stdout.splitlines())}
    return [found[i] for i in range(len(ids))]


def test_a_death_is_an_abort_and_the_others_are_answered() -> None:
    results = answers(["one", "die", "two", "hang", "three"])
    assert [r["verdict"] for r in results] == ["ok", "abort", "ok", "unknown", "ok"]
    assert "SIGABRT" in results[1]["detail"]
    assert "no answer within" in results[3]["detail"]


def test_results_come_in_order_and_from_the_cache(tmp_path: Path) -> None:
    specs = [{"id": str(i), "model": "no-such-directory", "compose": "a", "batch": i + 1} for i in range(3)]
    cache = Cache(tmp_path / "cache.jsonl", "1.3.0")
    first = judge_all(specs, [sys.executable], cache=cache)
    assert [r["verdict"] for r in first] == ["invalid"] * 3
    again = Cache(tmp_path / "cache.jsonl", "1.3.0")
    assert judge_all(specs, ["/no/such/interpreter"], cache=again) == first
    assert Cache(tmp_path / "cache.jsonl", "1.2.0").get(specs[0]) is None


def test_the_key_of_a_spec_is_its_content(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    one = {"id": "x", "model": str(tmp_path / "one"), "compose": "a"}
    assert spec_key(one) == spec_key({**one, "id": "y", "model": str(tmp_path / "two")})
    assert spec_key(one) != spec_key({**one, "compose": "b"})


def test_blame_of_an_error_outside_the_libraries_names_no_file() -> None:
    try:
        raise ValueError("mine")
    except ValueError as error:
        found = blame(error)
    assert (found.refused, found.file, found.text) == (False, None, "ValueError: mine")
