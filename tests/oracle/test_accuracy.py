"""The benchmark's arithmetic, and a whole run with an auditor that always says the same."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import adapters
import pytest

FAKE = """
import json, sys
specs, results = sys.argv[2], sys.argv[4]
with open(results, "w") as out:
    for line in open(specs):
        out.write(json.dumps({"id": json.loads(line)["id"], "verdict": "compatible", "findings": []}) + "\\n")
"""


def oracle(verdict: str, **more: Any) -> dict[str, Any]:
    return {"verdict": verdict, "crash_file": None, "crash_line": None, "violations": [], **more}


def both(verdict: str, other: str, severity: str = "error") -> dict[str, Any]:
    finding = {"primary": None, "severity": severity, "status": "open", "verdict": other}
    return {"verdict": verdict, "findings": [finding]}


def audit(verdict: str, cause: tuple[str, int] | None = None, *places: tuple[str, int]) -> dict[str, Any]:
    primary = {"file": cause[0], "line": cause[1]} if cause else {"file": None}
    related = [{"role": "symptom", "file": f, "line": n} for f, n in places]
    finding = {"primary": primary, "related": related, "severity": "error", "status": "open"}
    return {"verdict": verdict, "findings": [{**finding, "verdict": verdict}]}


CRASH = {"crash_file": "adapters/x.py", "crash_line": 7}


@pytest.mark.parametrize(
    ("truth", "said", "disagreements"),
    [
        (oracle("ok"), audit("compatible"), []),
        (oracle("ok"), audit("wrong"), ["false-alarm"]),
        (oracle("ok"), audit("crash"), ["false-stop"]),
        (oracle("crash", **CRASH), audit("crash", ("adapters/x.py", 7)), []),
        (oracle("crash", **CRASH), audit("crash", ("adapters/x.py", 8)), ["location"]),
        (oracle("crash", **CRASH), audit("crash", None, ("adapters/x.py", 7)), ["related-line"]),
        (oracle("crash", **CRASH), audit("compatible"), ["missed-stop", "location"]),
        (oracle("refused"), audit("crash"), ["kind"]),
        (oracle("wrong", violations=["lanes"]), audit("compatible"), ["missed-silent"]),
        (oracle("no-effect"), audit("wrong"), ["kind"]),
        (oracle("wrong"), audit("refused"), ["false-stop", "missed-silent"]),
        (oracle("wrong"), both("abort", "wrong"), ["false-stop"]),
        (oracle("wrong"), both("abort", "no-effect", "warning"), ["false-stop", "missed-silent"]),
        (oracle("invalid"), audit("crash"), []),
    ],
)
def test_disagreements(
    accuracy: ModuleType, truth: dict[str, Any], said: dict[str, Any], disagreements: list[str]
) -> None:
    assert accuracy.Score().add(truth, said) == disagreements


def test_shares_are_counted_over_the_right_cases(accuracy: ModuleType) -> None:
    score = accuracy.Score()
    score.add(oracle("crash", **CRASH), audit("crash", ("adapters/x.py", 7)))
    score.add(oracle("refused"), audit("compatible"))
    score.add(oracle("ok"), audit("compatible"))
    score.add(oracle("wrong", violations=["lanes"]), audit("wrong"))
    assert (score.stop_recall.hits, score.stop_recall.total) == (1, 2)
    assert str(score.stop_recall) == " 50.00 %  (1 of 2)"
    assert (score.false_stops.hits, score.false_stops.total) == (0, 2)
    assert (score.silent_recall.hits, score.silent_recall.total) == (1, 1)
    score.add(oracle("crash", **CRASH), audit("crash", ("adapters/y.py", 1), ("adapters/x.py", 7)))
    assert (score.primary_lines.hits, score.primary_lines.total) == (1, 2)
    assert (score.any_lines.hits, score.any_lines.total) == (2, 2)


def test_a_whole_run(accuracy: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fake = tmp_path / "fake.py"
    fake.write_text(FAKE)
    work = tmp_path / "work"
    release = adapters.__version__
    accuracy.main(
        ["--size", "12", "--work", str(work), "--release", release, "--auditor", f"{sys.executable} {fake}"]
    )
    printed = capsys.readouterr().out
    assert "confusion matrix" in printed
    verdicts = [json.loads(line) for line in (work / release / "verdicts.jsonl").read_text().splitlines()]
    differing = [v for v in verdicts if v["oracle"]["verdict"] not in ("ok", "invalid")]
    listed = (work / release / "disagreements.jsonl").read_text().splitlines()
    assert len(listed) == len(differing) > 0


def test_the_wrong_release_is_noticed(accuracy: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="make them agree"):
        accuracy.main(["--release", "0.0.1", "--work", str(tmp_path), "--size", "1"])
