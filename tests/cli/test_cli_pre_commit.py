"""The hook for declared compositions, run by pre-commit in a real repository."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from cli_run import SCRUBBED, TINY_BERT, TINY_T5

HOOKS = Path(__file__).parents[2] / ".pre-commit-hooks.yaml"
HEALTHY = """[tool.adapter-audit]
static-only = true

[[tool.adapter-audit.audits]]
name = "bert"
model = "bert"
compose = "parallel:2"
adapter = "seq_bn"
"""
CRASHING = """
[[tool.adapter-audit.audits]]
name = "t5"
model = "t5"
compose = "parallel:2"
adapter = "lora[leave_out=[0]]"
"""
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    for name, config in (("bert", TINY_BERT), ("t5", TINY_T5)):
        (folder / name).mkdir(parents=True)
        (folder / name / "config.json").write_text(config)
    hook = next(h for h in yaml.safe_load(HOOKS.read_text()) if h["id"] == "adapter-audit")
    (folder / ".pre-commit-config.yaml").write_text(
        yaml.safe_dump({"repos": [{"repo": "local", "hooks": [hook]}]})
    )
    return folder


@pytest.fixture
def git(project: Path, tmp_path: Path) -> Run:
    identity = {f"GIT_{w}_{x}": "t@example.org" for w in ("AUTHOR", "COMMITTER") for x in ("NAME", "EMAIL")}
    environment = {k: v for k, v in os.environ.items() if not k.startswith(SCRUBBED)} | identity
    environment |= {
        "PRE_COMMIT_HOME": str(tmp_path / "pre-commit"),
        "ADAPTER_AUDIT_CACHE": str(tmp_path / "cache"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*arguments], cwd=project, env=environment, capture_output=True, text=True, check=False
        )

    assert run("git", "init", "-q").returncode == 0
    assert run("pre-commit", "install").returncode == 0
    return run


def test_a_declared_composition_that_crashes_blocks_the_commit(git: Run, project: Path) -> None:
    config = project / "pyproject.toml"
    config.write_text(HEALTHY)
    assert git("git", "add", "-A").returncode == 0
    healthy = git("git", "commit", "-qm", "healthy")
    assert healthy.returncode == 0, healthy.stdout + healthy.stderr

    config.write_text(HEALTHY + CRASHING)
    blocked = git("git", "commit", "-qam", "crashing")
    said = blocked.stdout + blocked.stderr
    assert blocked.returncode == 1
    assert "pyproject.toml:13: audit 't5': crash" in said
    assert "audit 'bert'" not in said

    config.write_text(HEALTHY + CRASHING + 'expect = "crash"\n')
    assert git("git", "commit", "-qam", "known").returncode == 0
