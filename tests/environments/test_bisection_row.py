"""What a bisection goes through: releases that the library allows, or the commits of a checkout."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from fake_index import FakeIndex

from adapter_audit.auditor.environments import installed_needs as module
from adapter_audit.auditor.environments.bisection_row import commits, releases
from adapter_audit.auditor.errors import UsageError
from adapter_audit.auditor.library.adapters import LIBRARY

GIT = ("git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")


def test_supported_releases_oldest_first_between_the_bounds() -> None:
    index = FakeIndex("0.1.0", "0.2.0", "1.0.0", "1.10.0", "1.9.0", "7.0")
    found = releases("adapters", LIBRARY, index)
    assert [c.requirement for c in found] == [
        "adapters==0.2.0",
        "adapters==1.0.0",
        "adapters==1.9.0",
        "adapters==1.10.0",
    ]
    assert [c.label for c in releases("adapters", LIBRARY, index, "1.0.0", "1.9.0")] == [
        "adapters 1.0.0",
        "adapters 1.9.0",
    ]


def test_what_the_library_pins_comes_from_its_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    needs = ["transformers~=4.57.3", "transformers>=9; extra == 'future'", "torch"]
    monkeypatch.setattr(module.metadata, "requires", lambda _name: needs)
    index = FakeIndex("4.51.0", "4.57.2", "4.57.3", "4.57.6", "4.58.0")
    found = releases("transformers", LIBRARY, index)
    assert [c.label for c in found] == ["transformers 4.57.3", "transformers 4.57.6"]


def test_fewer_than_two_is_one_line() -> None:
    with pytest.raises(UsageError, match=r"not two releases of adapters to compare: 1\.0\.0 with"):
        releases("adapters", LIBRARY, FakeIndex("1.0.0", "9.0"))
    with pytest.raises(UsageError, match="'x' is no version"):
        releases("adapters", LIBRARY, FakeIndex(), "x")


def test_commits_of_the_main_line_with_both_ends(tmp_path: Path) -> None:
    subprocess.run([*GIT, "init", "-q", str(tmp_path)], check=True)
    for number in "123":
        subprocess.run([*GIT, "-C", str(tmp_path), "commit", "-q", "--allow-empty", "-m", number], check=True)
    found = commits("adapters", tmp_path, "HEAD~2", "HEAD")
    assert len({c.requirement for c in found}) == 3
    assert all(c.requirement.startswith(f"adapters @ git+{tmp_path.as_uri()}@") for c in found)
    assert commits("adapters", tmp_path, "HEAD~1", "HEAD") == found[1:]
