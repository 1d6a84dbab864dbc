"""Another library is one package, as CONTRIBUTING says: one that knows nothing of `adapters` is audited."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from adapter_audit.auditor import audit, audit_model
from adapter_audit.auditor.errors import UsageError
from adapter_audit.auditor.library import find_library
from adapter_audit.auditor.library.find_library import library_named, library_names, library_of
from adapter_audit.auditor.schema.result import AuditResult


@pytest.fixture(autouse=True)
def fakelib(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The library, installed with its entry point."""
    point = EntryPoint("fakelib", "fakelib", find_library.ENTRY_POINT_GROUP)
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.setattr(find_library, "entry_points", lambda group: [point] if group == point.group else [])
    yield
    for name in [n for n in sys.modules if n.partition(".")[0] == "fakelib"]:
        del sys.modules[name]


def audited(model: str, **fields: Any) -> AuditResult:
    spec = {"model": f"fakelib.models:{model}", "library": "fakelib", **fields}
    return audit(spec)


def test_the_library_is_found_by_its_entry_point() -> None:
    assert library_names() == ("adapters", "fakelib", "peft")
    assert library_named("fakelib").package == "fakelib"


def test_an_unknown_library_is_one_line() -> None:
    with pytest.raises(UsageError, match="unknown adapter library 'fakelb'; known: adapters, fakelib, peft"):
        library_named("fakelb")


@pytest.mark.parametrize("mode", ["forward", "train"])
def test_right_lanes_are_compatible(mode: str) -> None:
    result = audited("healthy", compose="parallel(a,b)", mode=mode)
    assert (result.verdict, result.unknowns) == ("compatible", ())
    assert result.environment.torch
    assert not result.environment.adapters


def test_swapped_lanes_are_found_at_their_line() -> None:
    result = audited("swapping", compose="parallel(a,b)")
    assert result.verdict == "wrong"
    (swapped,) = [f for f in result.findings if f.rule == "AA201"]
    assert (swapped.primary.code, swapped.lanes) == ("return torch.cat(lanes[::-1])", (0, 1))
    assert {f.primary.file for f in result.findings} == {"fakelib/models.py"}


def test_what_the_library_refuses_is_refused() -> None:
    result = audited("healthy", compose="stack(a,b)")
    assert result.verdict == "refused"
    assert "fakelib runs one adapter for a row" in result.summary


def test_a_model_in_hand_is_known_by_its_library() -> None:
    from fakelib import LIBRARY
    from fakelib.models import healthy

    model = healthy()
    LIBRARY.prepare(model)
    assert library_of(model) is LIBRARY
    LIBRARY.add(model, {"a": "linear", "b": "linear"}, "")
    LIBRARY.activate(model, LIBRARY.tree(("a", "b")))
    assert audit_model(model).verdict == "compatible"
