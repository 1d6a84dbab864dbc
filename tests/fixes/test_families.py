"""Families on small sources: what they write is Python that does what it should."""

from __future__ import annotations

import ast
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from adapter_audit.auditor.fixes.patch.general.absent_state import FAMILY as ABSENT_STATE
from adapter_audit.auditor.fixes.patch.general.bind_on_every_path import FAMILY as BIND
from adapter_audit.auditor.fixes.patch.general.every_adapter_its_rows import BLOCKS, _applied, _only_first
from adapter_audit.auditor.fixes.patch.general.first_with_modules import FAMILY as FIRST
from adapter_audit.auditor.fixes.patch.general.initialise_module_first import FAMILY as INITIALISE
from adapter_audit.auditor.fixes.patch.library_names import known_blocks
from adapter_audit.auditor.schema.result import Cause, Confidence, Finding, Invariant, Location, Severity
from adapter_audit.auditor.source.parsed_module import Module, Sources, apply_edits
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


class State(NamedTuple):
    out: Any
    hidden: Any
    last: str | None


JOIN = (
    "import torch\ndef join(states):\n    return (torch.cat([s.out for s in states]),\n"
    "        torch.cat([s.hidden for s in states]) if states[0].hidden is not None else None,\n"
    "        states[-1].last)\n"
)


@pytest.mark.parametrize("absent", [0, 1])
def test_absent_states_are_neutral(absent: int) -> None:
    import torch

    zeros, ones = patched(ABSENT_STATE, JOIN, Cause.NONE_COMBINED, 4)
    states = [State(torch.full((1, 2), 5.0), torch.full((1, 2), 7.0), "a") for _ in range(2)]
    states[absent] = states[absent]._replace(hidden=None, last=None)
    for text, neutral in ((zeros, 0.0), (ones, 1.0)):
        space: dict[str, Any] = {}
        exec(text, space)
        _, hidden, last = space["join"](states)
        assert hidden[:, 0].tolist() == [neutral if row == absent else 7.0 for row in range(2)]
        assert last == "a"
    nobody = [State(torch.ones(1, 2), None, None)]
    assert space["join"](nobody)[1:] == (None, None)


ONLY_FIRST = """
def forward(self, states, setup):
    if setup is not None:
        first = setup.first()
        if first in self.parts:
            states = self.parts[first](states)
    return states
"""


def test_every_adapter_is_applied_to_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from adapters import composition
    from adapters.composition import Average, BatchSplit, Parallel, Stack
    from adapters.context import ForwardContext

    module = Module(FILE, ONLY_FIRST)
    (found,) = _only_first(module)
    blocks = known_blocks(Sources(), BLOCKS)
    text = apply_edits(ONLY_FIRST, [_applied(module, found, blocks)])
    ast.parse(text)
    space: dict[str, Any] = {
        "torch": torch,
        "ForwardContext": ForwardContext,
        **{name: getattr(composition, name) for name in blocks},
    }
    exec(text, space)

    class Layer:
        def __init__(self) -> None:
            self.parts = {"a": lambda x: x + 10, "b": lambda x: x * 2}

    def rows(setup: Any) -> list[float]:
        states = torch.arange(1.0, 4.0).view(3, 1, 1)
        return list(space["forward"](Layer(), states, setup).flatten().tolist())

    class Context:
        adapters_parallelized = False
        task_ids = torch.tensor([1, 0, 1])

    context = Context()
    monkeypatch.setattr(ForwardContext, "get_context", classmethod(lambda cls: context))
    assert rows(Parallel("a", "b")) == [11, 12, 13, 2, 4, 6]
    assert context.adapters_parallelized
    assert rows(BatchSplit("a", "b", batch_sizes=[1, 2])) == [11, 4, 6]
    assert rows(Stack("a", "b")) == [22, 24, 26]
    assert rows(Average("a", "b", weights=[0.5, 0.5])) == [6.5, 8, 9.5]
    if "MultiTask" in blocks:
        assert rows(composition.MultiTask("a", "b")) == [2, 12, 6]
    assert rows(Stack("c")) == [1, 2, 3]
