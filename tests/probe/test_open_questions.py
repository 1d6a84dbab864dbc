"""A check that cannot be asked says so: nothing is left out without a word."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from adapter_audit.auditor import audit
from adapter_audit.auditor.facts.facts import ProbeFacts
from adapter_audit.auditor.library.adapters.adapters_library import AdaptersLibrary
from adapter_audit.auditor.probe import run_checks
from adapter_audit.auditor.probe.value_check import NotApplicable, Unanswered, ValueCheck
from adapter_audit.auditor.schema.composition import Node
from adapter_audit.auditor.schema.result import Verdict

SPEC = {"model": "adapter_audit.auditor.toys:bert", "compose": "parallel(a,b)", "adapter": "seq_bn"}


def test_a_stack_in_a_lane_is_compared() -> None:
    nested = {**SPEC, "compose": "stack(a,parallel(stack(b,c),d))"}
    result = audit(nested)
    assert (result.verdict, {f.rule for f in result.findings}) == (Verdict.WRONG, {"AA201"})
    assert {f.lanes for f in result.findings} == {(0,)}
    assert audit({**nested, "adapter": "lora"}).verdict is Verdict.COMPATIBLE


@pytest.mark.parametrize("static_only", [False, True])
def test_a_lane_without_a_reference_is_unknown(static_only: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    activate = AdaptersLibrary.activate

    def refuses_a_lone_b(self: Any, model: Any, tree: Node | None, *rest: Any) -> None:
        if tree == "b":
            raise ValueError("not b alone")
        activate(self, model, tree, *rest)

    monkeypatch.setattr(AdaptersLibrary, "activate", refuses_a_lone_b)
    spec = {**SPEC, "adapters": {"a": "seq_bn", "b": "seq_bn[reduction_factor=2]"}}
    result = audit(spec, static_only=static_only)
    assert result.verdict is Verdict.UNKNOWN
    assert any("not b alone" in why for why in result.unknowns)


class _Stub:
    def __init__(self) -> None:
        self.questions: list[str] = []

    def leave_open(self, why: str) -> None:
        self.questions.append(why)

    def taken_questions(self) -> tuple[str, ...]:
        return tuple(self.questions)


@pytest.mark.parametrize(
    ("error", "checks", "unanswered"),
    [
        (NotApplicable(), (), {}),
        (Unanswered("it stops"), ("stub",), {"stub": "it stops"}),
        (None, ("stub",), {}),
    ],
)
def test_not_asked_is_not_unanswered(
    error: Exception | None, checks: tuple[str, ...], unanswered: dict[str, str]
) -> None:
    class Check(ValueCheck):
        name, order, yields = "stub", 1, ()

        def observe(self, bench: Any) -> Iterator[Any]:
            if error is not None:
                raise error
            return iter(())

    bench: Any = _Stub()
    facts = run_checks._with_check(ProbeFacts(), Check(), bench)
    assert (facts.checks, facts.unanswered) == (checks, unanswered)
