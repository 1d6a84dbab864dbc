"""Bugs of release 1.0.0: the patches make lanes right, by a script that is no part of the auditor.

Releases are named by ADAPTER_AUDIT_RELEASES, a list of folders (as in PATH) with `adapters` and its needs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("plain_lanes.py")
FOLDERS = [p for p in os.environ.get("ADAPTER_AUDIT_RELEASES", "").split(os.pathsep) if p]
OLD = [
    folder
    for folder in FOLDERS
    if any(d.metadata["Name"] == "adapters" and d.version == "1.0.0" for d in distributions(path=[folder]))
]
FIXING = """
import json, sys
from adapter_audit.auditor.models import ModelSource
from adapter_audit.auditor.patches import find_fixes, write_overlay
from adapter_audit.auditor.patches.reaudit import facts_and_result
from adapter_audit.auditor.spec import AuditSpec
config = json.loads(sys.argv[1])
spec = AuditSpec.read({"model": "tiny", "compose": "parallel(a,b,c)", "adapter": "lora"})
source = ModelSource("tiny", "directory", config=config)
facts, result = facts_and_result(spec, source)
fixes = find_fixes(spec, source, facts, result.findings)
print(result.verdict.value, write_overlay([f for own in fixes.values() for f in own], sys.argv[2]))
"""


@pytest.mark.parametrize("folder", OLD)
@pytest.mark.parametrize("model_type", ["t5", "llama", "distilbert", "mistral"])
def test_patch_makes_lanes_right(folder: str, model_type: str, tmp_path: Path) -> None:
    from . import plain_lanes

    config = {"model_type": model_type, **plain_lanes.COMMON, **plain_lanes.CONFIGS[model_type]}
    assert run(["-c", FIXING, json.dumps(config), str(tmp_path / "overlay")], folder).stdout.startswith(
        "crash"
    )
    lanes = [str(SCRIPT), model_type, "lora", "1", "2", "3", "4"]
    assert run(lanes, folder, fails=True).returncode != 0
    assert run(lanes, f"{tmp_path / 'overlay'}{os.pathsep}{folder}").stdout.count("differs by") == 4


def run(arguments: list[str], path: str, *, fails: bool = False) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], env=env, capture_output=True, text=True, check=False, timeout=300
    )
    assert fails or done.returncode == 0, done.stderr
    return done
