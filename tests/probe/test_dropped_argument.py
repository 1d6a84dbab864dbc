"""The line that lets go of an argument: found by following the value, whatever the library."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from adapter_audit.auditor.probe.cause.dropped_argument import dropping_line

SOURCE = """\
def outer(**kwargs):
    first = 1
    kwargs = {k: v for k, v in kwargs.items() if k != "names"}
    return inner(first, **kwargs)

def inner(first, **kwargs):
    return first

def hands_on(**kwargs):
    return reads_not(**kwargs)

def reads_not(names=None):
    other = 2
    return other

def fails(**kwargs):
    kwargs.pop("names")
    raise ValueError
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    folder = tmp_path / "site-packages" / "dropping"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(folder.parent))
    import dropping  # type: ignore[import-not-found]

    yield dropping
    del sys.modules["dropping"]


def line_of(call: object, value: object) -> str:
    site = dropping_line(call, value)  # type: ignore[arg-type]
    assert site is not None
    assert site.file == "dropping/__init__.py"
    return SOURCE.splitlines()[site.line - 1].strip()


def test_a_line_that_leaves_it_out(package: ModuleType) -> None:
    names = ["a"]
    assert line_of(lambda: package.outer(names=names, x=1), names).startswith("kwargs = {k: v")


def test_without_such_a_line_it_is_the_innermost_that_was_given_it(package: ModuleType) -> None:
    names = ["a"]
    assert line_of(lambda: package.hands_on(names=names), names) == "def reads_not(names=None):"


def test_the_tracer_is_put_back(package: ModuleType) -> None:
    before, names = sys.gettrace(), ["a"]
    with pytest.raises(ValueError, match=r"^$"):
        dropping_line(lambda: package.fails(names=names), names)
    assert sys.gettrace() is before


def test_nothing_where_no_package_has_it() -> None:
    assert dropping_line(lambda: None, ["a"]) is None
