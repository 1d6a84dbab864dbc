"""Version and owner are said in one place, and everything that a release needs is there and can be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.project_facts import STAMPED, ProjectFacts
from tools.try_release import check_tag

ROOT = Path(__file__).parents[1]
FACTS = ProjectFacts("2.5.0rc1", "https://github.com/somebody/adapter-audit")


@pytest.mark.parametrize(
    ("text", "stamped"),
    [
        (
            "see https://github.com/OWNER/adapter-audit/issues",
            "see https://github.com/somebody/adapter-audit/issues",
        ),
        ("- uses: OWNER/adapter-audit@v0", "- uses: somebody/adapter-audit@v2"),
        ("  rev: v0.1.0", "  rev: v2.5.0rc1"),
        ('version: "0.1.0"', 'version: "2.5.0rc1"'),
        ('cff-version: 1.2.0\n  version: "1"', 'cff-version: 1.2.0\n  version: "2.5.0rc1"'),
        ("https://github.com/adapter-hub/adapters", "https://github.com/adapter-hub/adapters"),
        ("uses: actions/checkout@v4", "uses: actions/checkout@v4"),
    ],
)
def test_only_version_and_owner_are_stamped(text: str, stamped: str) -> None:
    assert FACTS.stamped(text) == stamped


def test_each_stamped_file_says_one_of_them() -> None:
    facts = ProjectFacts("99.0", "https://github.com/somebody-else/adapter-audit")
    for name in STAMPED:
        text = (ROOT / name).read_text("utf-8")
        assert facts.stamped(text) != text, name


def test_the_owner_is_named_nowhere_else() -> None:
    for path in ROOT.rglob("*.md"):
        if not any(part.startswith((".venv", "build", "site")) for part in path.relative_to(ROOT).parts):
            text = path.read_text("utf-8")
            assert ProjectFacts.read(ROOT).stamped(text) == text, path


@pytest.mark.parametrize(("tag", "says"), [("v9.9.9", "pyproject.toml is"), ("nightly", "the tag is")])
def test_a_wrong_tag_stops_a_release(tag: str, says: str) -> None:
    with pytest.raises(SystemExit, match=says):
        check_tag(tag)


def test_a_release_without_its_part_of_the_changelog_stops() -> None:
    with pytest.raises(SystemExit, match="has no part"):
        check_tag(f"v{ProjectFacts.read(ROOT).version}")
