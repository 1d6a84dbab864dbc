"""`adapter-audit run` on real scripts: those that die of a composition, and those that it must not change."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from library_releases import environment_with, folders_with

SUBJECTS = Path(__file__).parent / "subjects"
SCRUBBED = "ADAPTER_AUDIT_"


def python(*words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run by Python alone, in the folder of the scripts."""
    plain = {k: v for k, v in os.environ.items() if not k.startswith(SCRUBBED)} | {"HF_HUB_OFFLINE": "1"}
    return subprocess.run(
        [sys.executable, *words],
        cwd=SUBJECTS,
        env=env or plain,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def audited(*words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """The same under `adapter-audit run`."""
    return python("-m", "adapter_audit.auditor.cli", "run", *words, env=env)


@pytest.mark.parametrize("folder", folders_with("1.0.0"))
def test_issue_744_is_diagnosed_in_its_release(folder: Path) -> None:
    done = audited("issue_744.py", env=environment_with(folder))
    assert (done.returncode, done.stdout) == (1, "ready\n")
    assert re.match(r" CRASH +T5ForConditionalGeneration · parallel\(one,two,three,four,five\)", done.stderr)
    assert "AA103 lanes-leaked-by-reshape" in done.stderr
    assert "adapters/models/t5/modeling_t5.py:87" in done.stderr
    assert "seq_len=140" in done.stderr
    last = done.stderr.splitlines()[-1]
    assert re.match(r"adapter-audit: the script died of this at issue_744\.py:20: RuntimeError: .*700", last)
    assert "Traceback" not in done.stderr


def test_a_loop_of_the_trainer_that_dies(tmp_path: Path) -> None:
    report = tmp_path / "why.json"
    done = audited("--report", f"json={report}", "trainer_loop.py", "parallel")
    assert done.returncode == 1
    assert "AA101 expanded-meets-shared" in done.stderr
    assert "mode=train" in done.stderr
    assert '"verdict":"crash"' in report.read_text().replace(" ", "")
    assert re.search(r"died of this at trainer_loop\.py:\d+: RuntimeError", done.stderr)


def test_another_error_than_the_one_that_is_found_keeps_its_traceback() -> None:
    """The audit finds what would have come next; the script died before, of an argument."""
    plain, under = python("trainer_loop.py", "t5"), audited("trainer_loop.py", "t5")
    *same, said = under.stderr.splitlines()
    assert same == plain.stderr.splitlines()
    assert "unexpected keyword argument 'num_items_in_batch'" in same[-1]
    assert said.startswith("adapter-audit: not the composition is what stops this call; ")


def test_a_generate_loop_that_dies() -> None:
    done = audited("generate_loop.py")
    assert (done.returncode, done.stdout) == (1, "3\n3\n")
    assert "batchsplit(a,b;2,1)" in done.stderr
    assert "mode=generate" in done.stderr
    assert "batch=4" in done.stderr
    assert re.search(r"died of this at generate_loop\.py:\d+: IndexError", done.stderr)


SAME = {
    "healthy": ("healthy.py", "an argument", "--fail"),
    "its own data": ("another_reason.py", "second"),
    "tokens that are none": ("another_reason.py", "first"),
}


@pytest.mark.parametrize("words", SAME.values(), ids=SAME)
def test_nothing_else_is_changed(words: tuple[str, ...]) -> None:
    """Output, errors with their tracebacks, exit handlers and codes, to the letter; but no seconds."""
    plain, under = python(*words), audited(*words)
    assert under.returncode == plain.returncode
    assert _without_seconds(under.stdout) == _without_seconds(plain.stdout)
    assert _without_seconds(under.stderr) == _without_seconds(plain.stderr)


def _without_seconds(text: str) -> str:
    return re.sub(r"'train_(runtime|\w+_per_second)': [\d.]+", "", text)


@pytest.mark.parametrize(("script", "verdict", "code"), [("healthy.py", "COMPATIBLE", 0)])
def test_what_ran_is_audited_behind_the_script(script: str, verdict: str, code: int) -> None:
    done = audited("--check", script)
    assert done.returncode == code
    assert "the exit handler ran" in done.stdout
    assert "a word on stderr" in done.stderr
    assert f" {verdict} " in done.stderr
    assert "parallel(a,b)" in done.stderr


def test_an_error_of_the_request_is_one_line() -> None:
    for words, says in (
        (("absent.py",), "cannot run absent.py: No such file or directory"),
        (("--report", "json", "healthy.py"), "--report json has no file: stdout is the script's"),
        (("--report", "pdf=x", "healthy.py"), "unknown report 'pdf'"),
    ):
        done = audited(*words)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.count("\n") == 1
        assert says in done.stderr
