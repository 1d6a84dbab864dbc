"""What may stand after --against: a release, the newest, a wheel, a checkout; all else is one clear line."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from fake_index import FakeIndex

from adapter_audit.auditor.environments.change import Change, read_change, resolved, subjects
from adapter_audit.auditor.errors import UsageError

INDEX = FakeIndex("1.2.0", "1.10.0", "1.9.0")
GIT = ("git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository called `adapters` with two commits and a tag at the first."""
    folder = tmp_path / "adapters"
    subprocess.run([*GIT, "init", "-q", str(folder)], check=True)
    for number in "12":
        subprocess.run([*GIT, "-C", str(folder), "commit", "-q", "--allow-empty", "-m", number], check=True)
        if number == "1":
            subprocess.run([*GIT, "-C", str(folder), "tag", "v1"], check=True)
    return folder


def test_release_and_newest_release() -> None:
    assert read_change(" adapters==1.2.0 ", INDEX) == Change("adapters", "adapters==1.2.0", "adapters 1.2.0")
    assert read_change("adapters", INDEX).requirement == "adapters==1.10.0"
    assert {"adapters", "transformers", "torch"} <= set(subjects())


def test_wheel(tmp_path: Path) -> None:
    wheel = tmp_path / "adapters-1.4.0.dev0-py3-none-any.whl"
    wheel.touch()
    change = read_change(str(wheel), INDEX)
    assert change.requirement == f"adapters @ {wheel.as_uri()}"
    assert change.label == "adapters 1.4.0.dev0 (adapters-1.4.0.dev0-py3-none-any.whl)"


def test_checkout_is_pinned_to_the_commit_that_it_is_now(checkout: Path) -> None:
    url = f"git+{checkout.as_uri()}"
    first, last = resolved(url, "v1"), resolved(url, "HEAD")
    assert first != last
    assert read_change(f"{url}@v1", INDEX) == Change(
        "adapters", f"adapters @ {url}@{first}", f"adapters at {first[:9]}"
    )
    assert read_change(url, INDEX).requirement == f"adapters @ {url}@{last}"
    assert read_change(f"transformers @ {url}@{last}", INDEX).package == "transformers"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("adapters==one", "'one' is no version of adapters; for example"),
        ("numpy==2.0", "'numpy' cannot be changed: only adapters, "),
        ("adapters>=1", "'adapters>=1' cannot be changed"),
        ("nowhere/adapters-1.0-py3-none-any.whl", "there is no wheel nowhere/adapters-1.0"),
        ("adapters.whl", "adapters.whl is no wheel"),
        ("adapters @ 1.0", "'1.0' is neither a wheel nor git+URL"),
        ("git+file:///nowhere/adapters@main", "git does not find main of /nowhere/adapters"),
        ("git+file:///nowhere/other@main", "'other' cannot be changed"),
    ],
)
def test_all_else_is_one_clear_line(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_change(text, INDEX)
    assert words in caught.value.line


def test_commit_that_is_not_there(checkout: Path) -> None:
    with pytest.raises(UsageError, match=r"git does not find v9 of .*no such commit"):
        read_change(f"git+{checkout.as_uri()}@v9", INDEX)
