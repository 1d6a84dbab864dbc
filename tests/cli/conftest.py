"""The command line as a fixture, and small models."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_run import TINY_BERT, TINY_T5, Cli, Done, run


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """`cli("t5-base", "--compose", "parallel:2")` in `tmp_path`, with its own cache below it."""

    def call(*arguments: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> Done:
        own = {"ADAPTER_AUDIT_CACHE": str(tmp_path / "cache")}
        return run(arguments, cwd or tmp_path, own | (env or {}))

    return call


@pytest.fixture
def bert(tmp_path: Path) -> Path:
    """The directory of a small BERT."""
    return _model(tmp_path / "bert", TINY_BERT)


@pytest.fixture
def t5(tmp_path: Path) -> Path:
    """The directory of a small T5."""
    return _model(tmp_path / "t5", TINY_T5)


def _model(folder: Path, config: str) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(config)
    return folder
