"""Adapters of several kinds in one composition: which files are about whom, and what repairs them all."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from adapter_audit.auditor.fixes.patch.adapters_of_file import concerned, kinds_of, method_files
from adapter_audit.auditor.fixes.patch.general.each_child_by_itself import FAMILY as EACH_CHILD
from adapter_audit.auditor.fixes.patch.general.each_kind_by_itself import FAMILY as EACH_KIND
from adapter_audit.auditor.fixes.patch.general.mask_what_is_padded import masking
from adapter_audit.auditor.schema.composition_parser import parse
from adapter_audit.auditor.schema.result import Cause, Confidence, Finding, Invariant, Location, Severity
from adapter_audit.auditor.source.parsed_module import Module, Sources, apply_edits

from .conftest import Fixed

LORA, BOTTLENECK, PREFIX, REFT, INVERTIBLE = (
    f"adapters/methods/{name}.py" for name in ("lora", "bottleneck", "prefix_tuning", "reft", "invertible")
)


def facts(compose: str = "parallel(a,b)", **methods: str) -> Any:
    return SimpleNamespace(
        tree=parse(compose),
        names=tuple(methods),
        methods=methods,
        static=SimpleNamespace(trace=SimpleNamespace(records=[])),
    )


def finding(file: str, cause: Cause = Cause.STOPPED, invariant: Invariant = Invariant.LANES) -> Finding:
    return Finding(
        rule="AA105",
        name="n",
        invariant=invariant,
        cause=cause,
        severity=Severity.ERROR,
        confidence=Confidence.CERTAIN,
        message="the run stops",
        primary=Location(file=file, line=1),
    )


def module(file: str) -> Module:
    found = Sources().module(file)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("file", "names"),
    [(LORA, {"a"}), (BOTTLENECK, {"b", "c"}), (INVERTIBLE, {"c"}), (PREFIX, {"b"}), (REFT, set())],
)
def test_a_file_is_about_the_adapters_it_looks_up(file: str, names: set[str]) -> None:
    known = facts(a="ia3", b="mam", c="seq_bn_inv")
    assert file in method_files()
    assert concerned(known, module(file)) == names


def test_where_configurations_are_not_known_a_file_is_about_all() -> None:
    known = facts(a="lora")
    known.names = ("a", "b")
    assert concerned(known, module(REFT)) == {"b"}
    assert kinds_of(known, "a") == {"LoRAConfig"}


def files(family: Any, known: Any, found: Finding) -> list[set[str]]:
    return [{part.file for part in edit.parts()} for edit in family.propose(known, found, Sources())]


def test_all_files_that_not_all_children_are_about_are_repaired_at_once() -> None:
    known = facts(a="lora", b="prefix_tuning|par_bn")
    assert files(EACH_KIND, known, finding(LORA)) == [{LORA, BOTTLENECK, PREFIX}]
    assert files(EACH_KIND, facts(a="lora", b="noreft"), finding(LORA)) == [{LORA, REFT}]
    assert files(EACH_KIND, facts(a="lora", b="lora[r=2]"), finding(LORA)) == []
    assert files(EACH_KIND, facts("stack(a,b)", a="lora", b="par_bn"), finding(LORA)) == []


def test_other_kinds_of_one_method_are_told_apart_where_it_shows() -> None:
    known = facts(a="ia3", b="unipelt")
    assert files(EACH_KIND, known, finding(LORA)) == [{LORA, BOTTLENECK, PREFIX}]
    assert files(EACH_KIND, known, finding(BOTTLENECK)) == [{BOTTLENECK, PREFIX}]


def titles(known: Any, *about: Any) -> list[str]:
    return [edit.title for edit in EACH_CHILD.propose(known, finding(LORA, *about), Sources())]


NOT_NEUTRAL = (Cause.RELATION_BROKEN, Invariant.NEUTRALITY)


def test_a_child_is_run_by_itself_only_where_that_can_help() -> None:
    absent, always = "run each child by itself where one has no modules", "run each child by itself"
    assert titles(facts(a="dora", b="dora")) == [always]
    assert titles(facts(a="dora", b="dora[leave_out=[1]]")) == [absent, always]
    assert titles(facts(a="dora", b="par_bn")) == [absent]
    assert titles(facts("average(a,b)", a="dora", b="par_bn"), *NOT_NEUTRAL) == [always]
    assert titles(facts(a="noreft", b="par_bn")) == []


PADDING = """\
import torch
import torch.nn.functional as F

def pad(states):
    longest = max([s.keys.shape[-2] for s in states])
    masks = []
    for state in states:
        keys, mask = state[:2]
        missing = longest - keys.shape[-2]
        if missing > 0 and mask is not None:
            mask = F.pad(mask, (missing, 0), "constant", 1.0 if state.inverted else 0.0)
        masks.append(mask)
    return masks
"""


class State(NamedTuple):
    keys: Any
    mask: Any
    inverted: bool


def padded(*states: State) -> list[Any]:
    text = PADDING
    edit = masking(Module("adapters/methods/toy.py", text))
    assert edit is not None
    space: dict[str, Any] = {}
    exec(apply_edits(text, edit.edits), space)
    return list(space["pad"](list(states)))


def test_padded_positions_have_no_weight() -> None:
    import torch

    long, short = torch.ones(1, 1, 4, 2), torch.ones(1, 1, 2, 2)
    for mask in (None, torch.zeros(1, 1, 1, 2)):
        masks = padded(State(long, None, True), State(short, mask, True))
        assert [m.softmax(-1).flatten().tolist() for m in masks] == [[0.25] * 4, [0, 0, 0.5, 0.5]]
    (_, seen) = padded(State(long, None, False), State(short, None, False))
    assert seen.flatten().tolist() == [0, 0, 1, 1]
    (_, seen) = padded(State(long, None, True), State(short, torch.ones(1, 1, 1, 2).bool(), True))
    assert seen.flatten().tolist() == [False, False, True, True]
    assert padded(State(short, None, True), State(short, None, True)) == [None, None]


def test_the_library_pads_its_prefixes_so() -> None:
    edit = masking(module(PREFIX))
    assert edit is not None
    again = masking(Module(PREFIX, apply_edits(module(PREFIX).text, edit.edits)))
    assert again is None, "what is masked already is left alone"


def test_mixed_kinds_are_verified_at_once(fixed: Fixed) -> None:
    result = fixed(
        model="adapter_audit.auditor.toys:bert",
        compose="batchsplit(a,b;2,1)",
        adapters={"a": "seq_bn", "b": "lora"},
        attn="eager",
    )
    fixes = [f for found in result.findings for f in found.fixes if f.kind == "library-patch"]
    assert fixes
    assert fixes[0].status == "verified", fixes[0].reason
    for file in (LORA, BOTTLENECK):
        assert f"+++ b/{file}" in fixes[0].diff
