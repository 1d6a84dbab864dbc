"""The hooks in a real git repository, run by pre-commit in this environment instead of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

HOOKS = Path(__file__).parents[2] / ".pre-commit-hooks.yaml"
MODEL = """class ToyAttentionWithAdapters(ToyAttentionMixin, ToyAttention):
    def forward(self, hidden_states):
        bsz, q_len, _ = hidden_states.size()
        query = self.q_proj(hidden_states)
        return self.o_proj(query)
"""
STALE = MODEL.replace(
    "        return", "        query = query.view(bsz, q_len, self.heads, -1)\n        return"
)

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def git(tmp_path: Path) -> Run:
    environment = os.environ | {
        "PRE_COMMIT_HOME": str(tmp_path / "cache"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        **{
            f"GIT_{who}_{what}": "t@example.org"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        },
    }
    folder = tmp_path / "project"
    folder.mkdir()

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )

    assert run("git", "init", "-q").returncode == 0
    hook = next(h for h in yaml.safe_load(HOOKS.read_text()) if h["id"] == "adapter-audit-lint")
    config = {"repos": [{"repo": "local", "hooks": [hook | {"language": "system"}]}]}
    (folder / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
    assert run("pre-commit", "install").returncode == 0
    return run


def test_blocks_a_stale_batch_size_and_passes_after_the_fix(git: Run, tmp_path: Path) -> None:
    model = tmp_path / "project" / "modeling_toy.py"
    model.write_text(MODEL)
    assert git("git", "add", "-A").returncode == 0
    assert git("git", "commit", "-qm", "clean").returncode == 0

    model.write_text(STALE)
    blocked = git("git", "commit", "-qam", "stale")
    assert blocked.returncode == 1
    assert "modeling_toy.py:5:23: AA601" in blocked.stderr + blocked.stdout

    assert git("adapter-audit", "lint", "--fix", "modeling_toy.py").returncode == 0
    passed = git("git", "commit", "-qam", "fixed")
    assert passed.returncode == 0, passed.stderr
    assert "view(query.shape[0], q_len" in git("git", "show", "HEAD:modeling_toy.py").stdout


def test_hooks_file_is_valid_for_pre_commit(git: Run) -> None:
    done = git("pre-commit", "validate-manifest", str(HOOKS))
    assert done.returncode == 0, done.stdout
