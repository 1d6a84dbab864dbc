"""Where an op came from, and whether an exception was meant."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

from adapter_audit.auditor import toys
from adapter_audit.auditor.schema import spec
from adapter_audit.auditor.source import source_files
from adapter_audit.auditor.source.source_files import absolute_file, relative_file, source_line
from adapter_audit.auditor.trace import stack_sites as sites
from adapter_audit.auditor.trace.records import Site
from adapter_audit.auditor.trace.stack_sites import current_site, is_deliberate, message_of, traceback_sites
from adapter_audit.rules import base

LIBRARY = """
import torch

def refuse():
    raise ValueError("no")

def refuse_bare():
    raise NotImplementedError

def insist():
    assert False, "never"

def refuse_again():
    try:
        {}["x"]
    except KeyError as error:
        raise ValueError("no") from error

def reraise():
    try:
        {}["x"]
    except KeyError:
        raise

def key():
    return {}["x"]

def attribute():
    return None.shape

def shapes():
    return torch.ones(2) + torch.ones(3)

def called(f):
    return f()
"""


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A package on `sys.path` that refuses and fails in all ways."""
    package = tmp_path / "refusing_library"
    package.mkdir()
    (package / "__init__.py").write_text(LIBRARY)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    clear()
    yield importlib.import_module("refusing_library")
    del sys.modules["refusing_library"]
    clear()


def clear() -> None:
    for cached in (relative_file, absolute_file):
        cached.cache_clear()


def raised_by(function: object, *arguments: object) -> BaseException:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - any kind
        function(*arguments)  # type: ignore[operator]
    return caught.value


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("refuse", True),
        ("refuse_bare", True),
        ("insist", True),
        ("refuse_again", True),
        ("reraise", False),
        ("key", False),
        ("attribute", False),
        ("shapes", False),
    ],
)
def test_a_refusal_is_a_raise_statement_of_the_library(
    library: ModuleType, name: str, expected: bool
) -> None:
    error = raised_by(getattr(library, name))
    assert is_deliberate(error.__traceback__, "refusing_library") is expected
    assert not is_deliberate(error.__traceback__, "another_library")
    assert not is_deliberate(None, "refusing_library")


def test_an_exception_through_the_library_is_not_its_own(library: ModuleType) -> None:
    def outside() -> None:
        raise ValueError("mine")

    assert not is_deliberate(raised_by(library.called, outside).__traceback__, "refusing_library")


def test_sites_of_a_traceback_are_innermost_first(library: ModuleType) -> None:
    found = traceback_sites(raised_by(library.called, library.key).__traceback__)
    assert [s.function for s in found[:2]] == ["key", "called"]
    assert found[0].file == "refusing_library/__init__.py"
    assert source_line(found[0].file, found[0].line) == 'return {}["x"]'


def test_what_is_model_code() -> None:
    assert relative_file(torch.nn.functional.__file__ or "") is None
    assert relative_file(os.__file__) is None
    assert relative_file("<string>") is None
    for engine in (sites.__file__, spec.__file__, base.__file__):
        assert relative_file(engine) is None
    assert (relative_file(toys.__file__) or "").endswith("auditor/toys/__init__.py")
    # relative to which root depends on sys.path, which other tests add to
    assert (relative_file(__file__) or "").endswith("test_stack_sites.py")
    import adapters.model_mixin

    assert relative_file(adapters.model_mixin.__file__) == "adapters/model_mixin.py"


def test_an_installed_engine_is_no_model_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """In site-packages the engine lies beside the libraries."""
    root = os.sep + os.path.join("env", "site-packages", "adapter_audit") + os.sep
    monkeypatch.setattr(source_files, "_PACKAGE", root)
    clear()
    assert relative_file(root + os.path.join("auditor", "trace", "recorder.py")) is None
    assert (
        relative_file(root + os.path.join("auditor", "toys", "broken.py"))
        == "adapter_audit/auditor/toys/broken.py"
    )
    clear()


def test_the_current_site_is_the_innermost_model_line() -> None:
    here = current_site(sys._getframe())
    assert here is not None
    assert here.function == "test_the_current_site_is_the_innermost_model_line"
    assert current_site(None) is None


@pytest.mark.parametrize(
    ("file", "line"), [(None, 1), ("x.py", None), ("no/such/file.py", 1), ("adapters/__init__.py", 10**6)]
)
def test_source_that_cannot_be_read_is_empty(file: str | None, line: int | None) -> None:
    assert source_line(file, line) == ""


def test_sites_compare_by_value() -> None:
    assert Site("a.py", 1, "f") == Site("a.py", 1, "f")


def test_messages_are_the_same_in_every_run() -> None:
    assert message_of(ValueError(f"{object()!r} is not known")) == "<object object> is not known"


def test_packages_may_lie_below_another_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = tmp_path / "vendored"
    file = inner / "package" / "code.py"
    file.parent.mkdir(parents=True)
    file.touch()
    monkeypatch.setattr(sys, "path", [str(tmp_path), str(inner), *sys.path])
    assert relative_file(str(file)) == "package/code.py"
