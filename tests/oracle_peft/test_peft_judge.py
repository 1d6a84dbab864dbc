"""The oracle's own sanity: known right cells are ok, known wrong ones are not, a planted error is seen."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .grid import cells
from .pool import environment, judge_all

TRUTHS = Path(__file__).with_name("truths")
RELEASES = sorted(f.stem.removeprefix("peft-") for f in TRUTHS.glob("*.json"))
NEWEST = "0.21.2"
KNOWN = {
    "head/bert/lora-SequenceClassification-mixed": "ok",
    "head/bert/road-SequenceClassification-mixed": "wrong",
    "head/bert/lora-SequenceClassification-some": "crash",
    "head/bert/lora-SequenceClassification-unload": "wrong",
    "unload/llama/lora-CausalLM": "ok",
    "mixed/bert/lora-counts": "ok",
    "mixed/bert/vera-counts": "wrong",
    "error/bert/lora-mixed": "wrong",
    "error/llama/lora-CausalLM-plain": "ok",
    "weighted/bert/lora-linear": "ok",
    "weighted/bert/rslora-linear": "wrong",
    "weighted/bert/rslora-cat": "wrong",
    "tied/gpt2-tied/lora-CausalLM": "ok",
    "tied/gpt2-tied/lora-embedding-CausalLM": "wrong",
}
"""Read from the library's source, one by one, before any run was believed."""
CLEAN = {
    "merge": ("active(fr)", ["merge"], "peft.tuners.lora.layer.Linear", "merge"),
    "unmerge": ("active(fr)", ["merge", "unmerge"], "peft.tuners.lora.layer.Linear", "unmerge"),
    "disable": ("active(fr)", ["disable"], "peft.PeftModel", "disable_adapter"),
    "set": ("active(fr)", ["set(de)"], "peft.tuners.lora.model.LoraModel", "set_adapter"),
}
"""Compositions that are right, and the method whose work is spoilt."""
SPOIL = """
import contextlib, importlib, json, sys
from oracle_peft.judge import judge
SPOILT = {
    "merge": lambda self, *args, **kwargs: self.get_base_layer().weight.data.add_(0.1),
    "unmerge": lambda self, *args, **kwargs: self.merged_adapters.clear(),  # the weights stay merged
    "disable_adapter": lambda self, *args, **kwargs: contextlib.nullcontext(),
    "set_adapter": lambda self, *args, **kwargs: None,
}
where, name, spec = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
if where:
    module, _, owner = where.rpartition(".")
    setattr(getattr(importlib.import_module(module), owner), name, SPOILT[name])
print(json.dumps(judge(spec)))
"""


@pytest.fixture(scope="module")
def newest(releases: dict[str, Path]) -> Path:
    assert NEWEST in releases
    return releases[NEWEST]


def test_known_cells(newest: Path, tmp_path: Path) -> None:
    by_id = {c["id"]: c for c in cells(tmp_path)}
    _, truths = judge_all([by_id[name] for name in KNOWN], newest, tmp_path)
    assert dict(zip(KNOWN, (t["truth"] for t in truths), strict=True)) == KNOWN


def _judge_here(path: Path, spec: dict[str, Any], where: str = "", name: str = "") -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SPOIL, where, name, json.dumps(spec)],
        env=environment(path),
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("what", CLEAN)
def test_a_planted_error_is_seen(what: str, newest: Path, tmp_path: Path) -> None:
    compose, history, where, name = CLEAN[what]
    cell = next(c for c in cells(tmp_path) if c["id"] == "merge/llama/lora" or c["id"].endswith("/lora"))
    spec = {k: v for k, v in cell.items() if k != "history"} | {"compose": compose, "history": history}
    assert _judge_here(newest, spec)["truth"] == "ok"
    spoilt = _judge_here(newest, spec, where, name)
    assert spoilt["truth"] == "wrong"
    assert spoilt["deviation"] > 1e-2


@pytest.mark.parametrize("release", RELEASES)
def test_kept_truths_are_far_from_the_tolerance_and_effects_are_real(release: str) -> None:
    kept = json.loads((TRUTHS / f"peft-{release}.json").read_text())
    assert len([t for t in kept.values() if t["truth"] != "absent"]) >= 250
    for name, truth in kept.items():
        assert truth["truth"] != "broken", name
        if truth["truth"] == "ok":
            assert truth["deviation"] < 1e-4, name
            assert truth["effect"] > 1e-2, name
        if truth["truth"] == "wrong" and "why" not in truth:
            assert truth["deviation"] > 1e-3, name


@pytest.mark.parametrize("release", RELEASES)
def test_a_sample_of_the_kept_truths_is_judged_alike_today(
    release: str, releases: dict[str, Path], tmp_path: Path
) -> None:
    kept = json.loads((TRUTHS / f"peft-{release}.json").read_text())
    sample = cells(tmp_path)[7::60]
    _, truths = judge_all(sample, releases[release], tmp_path)
    seen = {c["id"]: (t["truth"], t["step"]) for c, t in zip(sample, truths, strict=True)}
    assert seen == {name: (kept[name]["truth"], kept[name].get("step", "")) for name in seen}
