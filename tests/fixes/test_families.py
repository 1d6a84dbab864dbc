"""Families on small sources: what they write is Python that does what it should."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from adapter_audit.auditor.fixes.patch.general.bind_on_every_path import FAMILY as BIND
from adapter_audit.auditor.fixes.patch.general.first_with_modules import FAMILY as FIRST
from adapter_audit.auditor.fixes.patch.general.initialise_module_first import FAMILY as INITIALISE
from adapter_audit.auditor.schema.result import Cause, Confidence, Finding, Invariant, Location, Severity
from adapter_audit.auditor.source.parsed_module import Sources, apply_edits
from adapter_audit.auditor.trace.records import Failure, Site

FILE = "adapters/methods/toy.py"


def finding(cause: Cause, line: int) -> Finding:
    return Finding(
        rule="AA105",
        name="n",
        invariant=Invariant.LANES,
        cause=cause,
        severity=Severity.ERROR,
        confidence=Confidence.CERTAIN,
        message="what it says does not count",
        primary=Location(file=FILE, line=line),
    )


def patched(family: Any, text: str, cause: Cause, line: int, facts: Any = None) -> list[str]:
    found = family.propose(facts, finding(cause, line), Sources({FILE: text}))
    return [apply_edits(text, edit.edits) for edit in found]


def test_constructor_runs_first() -> None:
    text = 'class A(Module):\n    def __init__(self):\n        """Doc."""\n        self.w = Parameter()\n'
    cause = Cause.MODULE_NOT_INITIALISED
    assert patched(INITIALISE, text, cause, 4)[0].splitlines()[3:] == [
        "        super().__init__()",
        "        self.w = Parameter()",
    ]
    late = text + "        super().__init__(3)\n"
    assert patched(INITIALISE, late, cause, 4)[0].splitlines()[3:] == [
        "        super().__init__(3)",
        "        self.w = Parameter()",
        "        pass",
    ]
    assert patched(INITIALISE, text, Cause.KEY_MISSING, 4) == []


def test_local_is_bound_on_every_path() -> None:
    text = "def f(x, late):\n    if late:\n        y = x\n    return y\n"
    said = "cannot access local variable 'y' where it is not associated with a value"
    failure = Failure("UnboundLocalError", said, Site(FILE, 4, "f"), "")
    known = SimpleNamespace(static=None, probe=None, setup_failure=failure)
    (new,) = patched(BIND, text, Cause.LOCAL_UNBOUND, 4, known)
    space: dict[str, Any] = {}
    exec(new, space)
    assert (space["f"](1, False), space["f"](1, True)) == (1, 1)


def test_first_adapter_has_modules() -> None:
    text = "def f(self, setup):\n    name = setup.first()\n    return self.adapters[name]\n"
    (new,) = patched(FIRST, text, Cause.KEY_MISSING, 3)
    space: dict[str, Any] = {}
    exec(new, space)

    class Setup:
        def first(self) -> str:
            return "a"

        def flatten(self) -> set[str]:
            return {"a", "b"}

    class Layer:
        adapters: dict[str, int]

    layer = Layer()
    layer.adapters = {"b": 2}
    assert space["f"](layer, Setup()) == 2
    layer.adapters = {"a": 1, "b": 2}
    assert space["f"](layer, Setup()) == 1
    layer.adapters = {}
    with pytest.raises(KeyError):
        space["f"](layer, Setup())
