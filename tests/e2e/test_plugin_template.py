"""The template in `examples/`, built and installed beside the package: a rule, a check and a report more."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TEMPLATE = Path(__file__).parents[2] / "examples" / "plugin"
UNEVEN = (
    *("adapter_audit.auditor.toys:bert", "--compose", "parallel(a,b)"),
    *("--adapter", "a=lora[r=2]", "--adapter", "b=lora[r=8]", "--no-config", "--no-cache"),
)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the template as pip installs it; nothing is downloaded, and its source stays clean."""
    folder = tmp_path_factory.mktemp("plugin")
    source = shutil.copytree(TEMPLATE, folder / "source")
    target = folder / "site"
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"),
            *("--no-build-isolation", "--target", str(target), str(source)),
        ],
        check=True,
        capture_output=True,
        timeout=900,
    )
    return target


def run(folder: Path | None, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    paths = [str(folder)] if folder else []
    path = os.pathsep.join([*paths, *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(
        [sys.executable, "-m", "adapter_audit.auditor.cli", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def test_rule_check_and_report_are_there(installed: Path, tmp_path: Path) -> None:
    assert "AA2900" in run(installed, tmp_path, "rules").stdout
    assert "Give both the same configuration." in run(installed, tmp_path, "explain", "uneven-sizes").stdout
    done = run(installed, tmp_path, *UNEVEN, "--report", "one-line", "--report", "json=result.json")
    assert done.stdout == "compatible  adapter_audit.auditor.toys:bert  parallel(a,b)  AA2900\n", done.stderr
    (found,) = json.loads((tmp_path / "result.json").read_text())["findings"]
    assert (found["rule"], found["severity"]) == ("AA2900", "warning")
    ignored = run(installed, tmp_path, "render", "result.json", "--report", "one-line")
    assert ignored.stdout == done.stdout


def test_without_it_there_is_nothing_of_it(tmp_path: Path) -> None:
    assert "AA2900" not in run(None, tmp_path, "rules").stdout
    done = run(None, tmp_path, *UNEVEN, "--report", "one-line")
    assert (done.returncode, done.stdout) == (2, "")
    assert "unknown report 'one-line'" in done.stderr


def test_its_own_cases_hold(installed: Path, tmp_path: Path) -> None:
    """What a plug-in's author can run: the rule's cases, held to the letter."""
    program = """
from adapter_audit.auditor import audit
from adapter_audit.rules._support.case_check import audit_objections
from adapter_audit.rules._support.registry import find_rule
rule = find_rule("AA2900")
for case in rule.cases:
    print(audit_objections(rule.id, case, audit(dict(case.spec), offline=True).findings))
"""
    path = os.pathsep.join([str(installed), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.stdout == "[]\n[]\n", done.stderr
