"""Bugs of release 1.0.0: the patches do what the upstream fix does, by judges that share no code with it.

A plain script compares lanes with adapters alone; the oracle judges patched 1.0.0 and, where it is
there, 1.0.1, in which the bugs were fixed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from library_releases import environment_with, folders_with

SCRIPT = Path(__file__).with_name("plain_lanes.py")


OLD, FIXED = folders_with("1.0.0"), folders_with("1.0.1")
FIXING = """
import json, sys
from adapter_audit.auditor.request.job import Job
from adapter_audit.auditor.request.model_source import ModelSource
from adapter_audit.auditor.fixes import find_fixes, write_overlay
from adapter_audit.auditor.fixes.trial.reaudit import facts_and_result
from adapter_audit.auditor.schema.spec import AuditSpec
config = json.loads(sys.argv[1])
spec = AuditSpec.read({"model": "tiny", "compose": "parallel(a,b,c)", "adapter": "lora"})
source = ModelSource("tiny", "directory", config=config)
job = Job.of(spec, source)
facts, result = facts_and_result(job)
fixes = find_fixes(facts, result.findings)
print(result.verdict.value, write_overlay([f for own in fixes.values() for f in own], sys.argv[2]))
"""


@pytest.mark.parametrize("folder", OLD)
@pytest.mark.parametrize("model_type", ["t5", "llama", "distilbert", "mistral"])
def test_patch_makes_lanes_right(folder: Path, model_type: str, tmp_path: Path) -> None:
    from . import plain_lanes

    config = {"model_type": model_type, **plain_lanes.COMMON, **plain_lanes.CONFIGS[model_type]}
    assert run(["-c", FIXING, json.dumps(config), str(tmp_path / "overlay")], folder).stdout.startswith(
        "crash"
    )
    lanes = [str(SCRIPT), model_type, "lora", "1", "2", "3", "4"]
    assert run(lanes, folder, fails=True).returncode != 0
    assert run(lanes, f"{tmp_path / 'overlay'}{os.pathsep}{folder}").stdout.count("differs by") == 4


COMPOSITIONS = ("parallel(a,b)", "parallel(a,b,c)", "stack(a,parallel(b,c))")
CHANGES: tuple[dict[str, object], ...] = (
    {"batch": 1},
    {"batch": 2, "mask": "right"},
    {"batch": 4, "mask": "left", "seq_len": 9},
    {"batch": 3, "mode": "train"},
)


@pytest.mark.parametrize("folder", OLD)
@pytest.mark.parametrize("model_type", ["t5", "llama", "distilbert", "mistral"])
def test_oracle_finds_the_patch_as_good_as_the_upstream_fix(
    folder: Path, model_type: str, tmp_path: Path
) -> None:
    from oracle.models import MODELS

    config = dict(MODELS[model_type].config)
    if "num_key_value_heads" in config:  # stacked LoRA of unequal widths: another bug, in both
        config["num_key_value_heads"] = config["num_attention_heads"]
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text(json.dumps(config))
    run(["-c", FIXING, json.dumps(config), str(tmp_path / "overlay")], folder)
    specs = [
        {"id": "x", "model": str(tmp_path / "model"), "compose": compose, "batch": 3, "seq_len": 7}
        | {"mask": "none", "mode": "forward", "adapters": dict.fromkeys("abc", method), **change}
        for compose in COMPOSITIONS
        for method in ("lora[r=2]", "ia3")
        for change in CHANGES
        if not (compose.startswith("stack") and "mode" in change)  # train_adapter: another bug, in both
    ]
    assert set(verdicts(specs, folder)) != {"ok"}
    patched = verdicts(specs, f"{tmp_path / 'overlay'}{os.pathsep}{folder}")
    if not FIXED:
        assert patched == ["ok"] * len(specs)
    for fixed in FIXED:  # where 1.0.1 writes to the caller's mask, so does the patched 1.0.0
        assert verdicts(specs, fixed) == patched


def verdicts(specs: list[dict[str, object]], path: str | Path) -> list[str]:
    """What the oracle says with the packages on this path."""
    from oracle.pool import judge_all

    judged = judge_all(specs, ["env", f"PYTHONPATH={path}", sys.executable])
    return [f"{v['verdict']} {v['detail']}".strip() for v in judged]


def run(arguments: list[str], path: str | Path, *, fails: bool = False) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, *arguments],
        env=environment_with(path, OMP_NUM_THREADS="1"),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert fails or done.returncode == 0, done.stderr
    return done
