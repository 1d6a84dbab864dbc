"""Shell completion: what click's own protocol answers, without torch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_run import Cli

PROGRAM = "import sys; sys.argv[0] = 'adapter-audit'; from adapter_audit.auditor.cli import entry; entry()"


def completed(line: str) -> list[str]:
    """What bash would be offered for the last word of a line."""
    words = line.split(" ")
    env = {
        "_ADAPTER_AUDIT_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return [answer.partition(",")[2] for answer in done.stdout.splitlines()]


def test_commands_models_options_rules_and_reports() -> None:
    first = completed("adapter-audit ")
    assert {"audit", "run", "check", "lint", "explain", "lsp", "t5-base"} <= set(first)
    assert completed("adapter-audit exp") == ["explain", "exp"]
    assert "t5-base" in completed("adapter-audit t5")
    assert "--compose" in completed("adapter-audit t5-base --comp")
    assert completed("adapter-audit explain aa10") == ["AA101", "AA102", "AA103", "AA104", "AA105"]
    assert completed("adapter-audit t5-base --report ma") == ["markdown", "matrix"]
    assert completed("adapter-audit t5-base --mode b") == ["beam"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell(cli: Cli, shell: str) -> None:
    done = cli("completion", shell)
    assert (done.code, done.loaded) == (0, ())
    assert f"_ADAPTER_AUDIT_COMPLETE={shell}_complete" in done.out
    assert "adapter-audit" in done.out


def test_bash_takes_the_script(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "completion.sh").write_text(cli("completion", "bash").out)
    subprocess.run(["bash", "-n", str(tmp_path / "completion.sh")], check=True, timeout=60)
