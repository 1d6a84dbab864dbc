"""The commands of the documentation run, and print what is shown below them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.documented_commands import PAGES, Shown, commands, compared, outdated, printed

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("page", PAGES)
def test_the_page_shows_what_is_printed(page: str) -> None:
    assert [(shown.command, output) for _, shown, output in outdated(ROOT / page)] == []


def test_every_page_with_commands_is_run() -> None:
    with_commands = {
        str(page.relative_to(ROOT))
        for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))
        if any(shown.runs for shown in commands(page.read_text("utf-8")))
    }
    assert with_commands <= set(PAGES)


def test_another_output_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```console\n$ adapter-audit --version\nadapter-audit 0.0\n```\n")
    assert [shown.command for _, shown, _ in outdated(page)] == ["adapter-audit --version"]


def test_what_does_not_work_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="exit code 2"):
        printed("adapter-audit lint", tmp_path)


def test_usage_lines_are_not_run() -> None:
    assert not Shown("adapter-audit MODEL --compose EXPR", "").runs
    assert Shown("adapter-audit t5-base --compose 'parallel(A,BBB)'", "").runs
    assert compared("a\ntook 3 s\n\n") == ["a"]
