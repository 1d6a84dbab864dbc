"""`adapter-audit --watch`: audits again in a process of its own, and what it refuses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_run import Cli

from adapter_audit.auditor.cli.watch import command

DECLARED = """[tool.adapter-audit]
static-only = true
[[tool.adapter-audit.audits]]
name = "refused"
model = "adapter_audit.auditor.toys:bert"
compose = "{compose}"
"""


def wait_for(found: Callable[[], bool], seconds: float = 150) -> None:
    ends = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < ends, "nothing came"
        time.sleep(0.2)


def test_a_change_of_the_project_is_audited(tmp_path: Path) -> None:
    pyproject, out = tmp_path / "pyproject.toml", tmp_path.parent / "watched.txt"
    pyproject.write_text(DECLARED.format(compose="parallel:2"))
    with out.open("w") as written:
        watching = subprocess.Popen(
            [sys.executable, "-m", "adapter_audit.auditor.cli", "--watch", "--no-cache"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdout=written,
            stderr=written,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # background jobs ignore it
        )
    try:
        wait_for(lambda: "COMPATIBLE" in out.read_text())
        pyproject.write_text(DECLARED.format(compose="parallel(a,fuse(b,c))"))
        wait_for(lambda: "REFUSED" in out.read_text())
        assert "changed, once more" in out.read_text()
        watching.send_signal(signal.SIGINT)
        assert watching.wait(60) in (0, 130)
    finally:
        if watching.poll() is None:
            os.killpg(watching.pid, signal.SIGKILL)
            watching.wait()


def test_the_request_without_the_watching() -> None:
    arguments = ["--watch", "--report", "json=all.json"]
    assert command(arguments)[1:] == ["-m", "adapter_audit.auditor.cli", "--report", "json=all.json"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("t5-base", "--compose", "parallel:2"), "--watch is for declared audits"),
        ((), "--watch has nothing to do: no [[tool.adapter-audit.audits]] is declared"),
    ],
)
def test_what_cannot_be_watched(cli: Cli, arguments: tuple[str, ...], says: str) -> None:
    done = cli(*arguments, "--watch")
    assert (done.code, done.out) == (2, "")
    assert [says in line for line in done.lines] == [True]
