"""The fix of T5 with a layer left out (adapters 1.3.0): found, verified, and right by a script of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from library_releases import environment_with

from adapter_audit.auditor.errors import UsageError
from adapter_audit.auditor.fixes import combined_diff, write_overlay
from adapter_audit.auditor.fixes.patch.overlay import MARKER
from adapter_audit.auditor.schema.result import AuditResult

from .conftest import Fixed

pytestmark = pytest.mark.skipif(not version("adapters").startswith("1.3."), reason="the bug is one of 1.3")
SPEC = {"model": "t5-base", "compose": "parallel:5", "adapter": "lora[leave_out=[0]]"}
SCRIPT = Path(__file__).with_name("plain_lanes.py")


@pytest.fixture(scope="module")
def result(fixed: Fixed) -> AuditResult:
    return fixed(**SPEC)


def python(*arguments: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env=environment_with(path or "", OMP_NUM_THREADS="1"),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def lanes(path: Path | None = None) -> subprocess.CompletedProcess[str]:
    return python(str(SCRIPT), "t5", "lora[leave_out=[0]]", "1", "2", "3", "4", path=path)


def test_the_script_sees_the_bug() -> None:
    assert "must match the size" in lanes().stderr


def test_fix_is_verified(result: AuditResult) -> None:
    (finding,) = result.findings
    assert finding.rule == "AA101"
    (fix,) = finding.fixes
    assert (fix.kind, fix.status) == ("library-patch", "verified")


@pytest.mark.parametrize("tool", [["patch", "-p1", "-s"], ["git", "apply"]])
def test_diff_applies_to_a_copy(result: AuditResult, copy: Path, tool: list[str]) -> None:
    subprocess.run(tool, cwd=copy, input=combined_diff(result), text=True, check=True)
    done = lanes(copy)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("differs by") == 4


def test_diff_applies_to_a_checkout(result: AuditResult, copy: Path, tmp_path: Path) -> None:
    (tmp_path / "checkout").mkdir()
    copy.rename(tmp_path / "checkout" / "src")
    command = ["git", "apply", "--directory=src"]
    subprocess.run(["git", "init", "-q"], cwd=tmp_path / "checkout", check=True)
    subprocess.run(command, cwd=tmp_path / "checkout", input=combined_diff(result), text=True, check=True)
    assert lanes(tmp_path / "checkout" / "src").returncode == 0


def test_audit_of_the_patched_copy_is_compatible(result: AuditResult, tmp_path: Path) -> None:
    overlay = write_overlay(result.findings[0].fixes, tmp_path / "overlay")
    code = f"from adapter_audit.auditor import audit; print(audit({SPEC!r}).verdict.value)"
    done = python("-c", code, path=overlay)
    assert done.stdout.split()[-1:] == ["compatible"], done.stderr
    assert lanes(overlay).returncode == 0


def test_overlay_is_only_written_over_itself(result: AuditResult, tmp_path: Path) -> None:
    fixes, target = result.findings[0].fixes, tmp_path / "overlay"
    write_overlay(fixes, target)
    write_overlay(fixes, target)
    changed = target / "adapters" / "composition.py"
    changed.write_text("mine")
    with pytest.raises(UsageError, match="was changed"):
        write_overlay(fixes, target)
    assert changed.read_text() == "mine"
    (target / MARKER).unlink()
    with pytest.raises(UsageError, match="other content"):
        write_overlay(fixes, target)
    (tmp_path / "empty").mkdir()
    assert (write_overlay(fixes, tmp_path / "empty") / "adapters").is_dir()
    with pytest.raises(UsageError, match="is a file"):
        write_overlay(fixes, changed)
    assert not list(tmp_path.glob("*.partial"))


def test_nothing_to_write(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no overlay"):
        write_overlay((), tmp_path / "none")
    assert not (tmp_path / "none").exists()


TRIAL = """
import os, signal, sys
from adapter_audit.auditor.fixes import find_fixes
from adapter_audit.auditor.fixes.trial import substitute as module
from adapter_audit.auditor.fixes.trial.reaudit import facts_and_result
from adapter_audit.auditor.request.job import resolved_job
from adapter_audit.auditor.schema.spec import AuditSpec

def stopping(patched, folder, substitute=module.substitute):
    substitute(patched, folder)
    with open(sys.argv[1], "w") as pipe:
        print(folder, *patched, file=pipe)
    signal.pause()

module.substitute = stopping
spec = AuditSpec.read(
    {"model": "adapter_audit.auditor.toys:t5", "compose": "parallel:2", "adapter": "lora[leave_out=[0]]"}
)
job = resolved_job(spec)
facts, result = facts_and_result(job)
find_fixes(facts, result.findings)
"""
"""Looks for fixes, says where the first trial has its patched files, and goes no further."""


def test_installed_files_survive_a_kill(copy: Path, tmp_path: Path) -> None:
    """Killed in the middle of a trial: the patch is in a folder for the trial, the library as it was."""
    before = texts(copy)
    pipe = tmp_path / "trial"
    os.mkfifo(pipe)
    process = subprocess.Popen(
        [sys.executable, "-c", TRIAL, str(pipe)],
        start_new_session=True,
        env=environment_with(copy, OMP_NUM_THREADS="1", TMPDIR=str(tmp_path)),
    )
    folder, *files = pipe.read_text().split()
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert files
    for file in files:
        assert (Path(folder) / file).read_bytes() != before[file], "there is a patch"
    assert texts(copy) == before


def texts(folder: Path) -> dict[str, bytes]:
    """The Python files below a folder."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*.py")}
