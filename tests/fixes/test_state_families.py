"""Families about a layer's state, its parameters and its blocks, on small sources."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from adapter_audit.auditor.fixes.patch.general.leave_absent_as_it_is import FAMILY as ABSENT
from adapter_audit.auditor.fixes.patch.general.names_of_blocks import FAMILY as NAMES
from adapter_audit.auditor.fixes.patch.general.not_in_place import FAMILY as NOT_IN_PLACE
from adapter_audit.auditor.fixes.patch.general.renamed_keyword import FAMILY as RENAMED
from adapter_audit.auditor.fixes.patch.general.replicate_what_enters import FAMILY as ENTERS
from adapter_audit.auditor.schema.result import Cause, Confidence, Finding, Invariant, Location, Severity
from adapter_audit.auditor.source.parsed_module import Sources, apply_edits
from adapter_audit.auditor.trace.records import Failure, Site

FILE = "adapters/models/toy.py"


def finding(cause: Cause = Cause.STOPPED, line: int = 1, invariant: Invariant = Invariant.LANES) -> Finding:
    return Finding(
        rule="AA105",
        name="n",
        invariant=invariant,
        cause=cause,
        severity=Severity.ERROR,
        confidence=Confidence.CERTAIN,
        message="what it says does not count",
        primary=Location(file=FILE, line=line),
    )


def facts(*, frames: tuple[Site, ...] = (), lanes: int = 2, mode: str = "forward") -> Any:
    """What these families read of an audit's facts."""
    failure = Failure(kind="E", message="", site=frames[0], module="", frames=frames) if frames else None
    record = SimpleNamespace(site=Site(FILE, 1, "f"), key=SimpleNamespace(op="aten.add_.Tensor"))
    static = SimpleNamespace(trace=SimpleNamespace(records=[record], failures=[]))
    return SimpleNamespace(
        names=("a", "b"),
        axes=SimpleNamespace(lanes=lanes),
        job=SimpleNamespace(spec=SimpleNamespace(mode=mode)),
        static=static,
        probe=None,
        setup_failure=failure,
    )


def patched(family: Any, text: str, found: Finding, known: Any = None, **others: str) -> list[str]:
    sources = Sources({FILE: text, **{k.replace("__", "/") + ".py": v for k, v in others.items()}})
    return [apply_edits(text, e.edits) for e in family.propose(known or facts(), found, sources)]


PARENT = "class Attention:\n    def forward(self, x, past_values=None, **more):\n        return x\n"
OVERRIDE = """\
from transformers.toy import Attention
class Own(Attention):
    def forward(self, x, past_value=None, **kwargs):
        return self.attn(x, past_value=past_value)
"""


def test_parameter_takes_the_parents_name_with_all_its_uses() -> None:
    about_init = finding(invariant=Invariant.INIT_PARITY)
    (new,) = patched(RENAMED, OVERRIDE, about_init, transformers__toy=PARENT)
    assert "def forward(self, x, past_values=None, **kwargs)" in new
    assert "return self.attn(x, past_values=past_values)" in new
    unlike = OVERRIDE.replace("past_value", "cache")
    assert patched(RENAMED, unlike, about_init, transformers__toy=PARENT) == []
    assert patched(RENAMED, OVERRIDE, finding(), transformers__toy=PARENT) == []


LOOKED_UP = """\
def train(self, setup: Union[list, AdapterCompositionBlock]):
    for name in setup:
        if name in self.shared:
            self.shared[name] += 1

def add(self, names):
    names = names.children
    return ",".join(names)
"""


@pytest.mark.parametrize(("line", "expected"), [(3, "for name in sorted(setup.flatten()):"), (8, "c.last()")])
def test_names_are_looked_up_and_not_blocks(line: int, expected: str) -> None:
    found = finding(Cause.BLOCK_FOR_NAME, line)
    frames = (Site(FILE, line, "f"),)
    (new,) = patched(NAMES, LOOKED_UP, found, facts(frames=frames))
    assert expected in new
    assert patched(NAMES, LOOKED_UP, finding(Cause.KEY_MISSING, line), facts(frames=frames)) == []


STATE = """\
class State(NamedTuple):
    out: Tensor
    extra: Tensor

class Layer:
    def vslice(self, state, rows):
        return State(state.out[rows], state.extra[rows])

    def repeat(self, state, n):
        return State(state.out.repeat(n), state.extra.repeat(n))

    def forward(self, x, y):
        setup = self.get_active_setup()
        state = State(x, y)
        return self.compose(setup, state)
"""


def test_absent_field_stays_absent() -> None:
    (new,) = patched(ABSENT, STATE, finding(Cause.NONE_READ, 7))
    space: dict[str, Any] = {"NamedTuple": __import__("typing").NamedTuple, "Tensor": object}
    exec(new, space)
    state = space["State"]([1, 2], None)
    assert space["Layer"]().vslice(state, slice(1)) == ([1], None)
    assert patched(ABSENT, STATE, finding(Cause.KEY_MISSING, 7)) == []


def test_all_tensors_of_a_state_are_replicated() -> None:
    (new,) = patched(ENTERS, STATE, finding(Cause.SIZES_DIFFER, 7))
    lines = new.splitlines()
    made = lines.index("        state = State(x, y)")
    longest = "max((t for t in (x, y) if t is not None), key=len)"
    assert lines[made - 1].strip() == f"x, y = adjust_tensors_for_parallel({longest}, x, y)"
    assert "from adapters.composition import adjust_tensors_for_parallel" in new
    assert patched(ENTERS, STATE, finding(Cause.SIZES_DIFFER, 7), facts(lanes=1)) == []


WRITING = """\
def block(x, mask):
    adjust_tensors_for_parallel_(x, mask)
    x += mask
    return x
"""


def test_nothing_is_written_in_place() -> None:
    (new,) = patched(NOT_IN_PLACE, WRITING, finding(Cause.INPUT_WRITTEN, 2, Invariant.PURITY))
    assert "    (mask,) = adjust_tensors_for_parallel(x, mask)\n    x = x + (mask)\n" in new
    about_training = finding(Cause.WRITTEN_IN_PLACE, 1)
    assert "x = x + (mask)" in patched(NOT_IN_PLACE, WRITING, about_training)[0]
    assert patched(NOT_IN_PLACE, WRITING, finding(line=2)) == []
