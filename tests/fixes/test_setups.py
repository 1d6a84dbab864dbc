"""Set-ups that are offered instead: their specs and the Python to paste."""

from __future__ import annotations

import ast

import pytest

from adapter_audit.auditor.fixes.search import setup_search as setups
from adapter_audit.auditor.fixes.search.setup_search import set_up_fix
from adapter_audit.auditor.fixes.setup.candidates import options
from adapter_audit.auditor.fixes.setup.other_adapters import without_leave_out
from adapter_audit.auditor.fixes.trial.trial_process import Outcome, Request
from adapter_audit.auditor.library.adapters.pasted_code import python
from adapter_audit.auditor.request.job import Job, requested_job, resolved_job
from adapter_audit.auditor.request.model_source import ModelSource
from adapter_audit.auditor.schema.composition_parser import parse
from adapter_audit.auditor.schema.result import AuditResult, Invariant, Verdict
from adapter_audit.auditor.schema.spec import AuditSpec


def unresolved(spec: AuditSpec) -> Job:
    return Job.of(spec, ModelSource(spec.model, "not looked for"))


@pytest.mark.parametrize(
    "compose",
    [
        "parallel(a,b)",
        "batchsplit(a,b;2,1)",
        "stack(a,parallel(b,c))",
        "average(a,b;0.3,0.7)",
        "multitask(a,b)",
    ],
)
def test_every_option_can_be_audited_and_its_code_is_python(compose: str) -> None:
    spec = AuditSpec.read({"model": "m", "compose": compose, "adapter": "lora[r=2,leave_out=[0]]"})
    titles = []
    for option in options(unresolved(spec)):
        ast.parse(option.code())
        for other in option.jobs:
            requested_job(other.spec)
        titles.append(option.title)
    assert len(set(titles)) == len(titles) > 0


def test_one_by_one_covers_every_row_of_every_lane() -> None:
    spec = AuditSpec.read(
        {"model": "m", "compose": "parallel(a,b)", "adapters": {"a": "lora", "b": "seq_bn"}, "batch": 3}
    )
    option = next(o for o in options(unresolved(spec)) if o.title.startswith("run the adapters"))
    assert [(j.spec.compose, j.rows, j.methods) for j in option.jobs] == [
        ("stack(a)", 3, {"a": "lora"}),
        ("stack(b)", 3, {"b": "seq_bn"}),
    ]


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("lora[leave_out=[0]]", "lora"),
        ("lora[leave_out=[0,1],r=2]", "lora[r=2]"),
        ("lora[r=2,leave_out=[1]]|par_bn", "lora[r=2]|par_bn"),
        ("seq_bn", "seq_bn"),
    ],
)
def test_leave_out_is_taken_out(method: str, expected: str) -> None:
    assert without_leave_out(method) == expected


def test_python_of_a_composition() -> None:
    assert (
        python(parse("stack(a,batchsplit(b,c;2,1))"))
        == "ac.Stack('a', ac.BatchSplit('b', 'c', batch_sizes=[2, 1]))"
    )


def test_set_up_is_verified_by_an_audit() -> None:
    spec = AuditSpec.read(
        {"model": "adapter_audit.auditor.toys:bert", "compose": "parallel(a,b)", "adapter": "prompt_tuning"}
    )
    fix = set_up_fix(resolved_job(spec))
    assert fix is not None
    assert (fix.kind, fix.status) == ("setup-change", "verified")
    assert fix.title == "run the adapters one after the other"


CHANGED = Outcome(
    others={"spec": "AA204: adapters.init alone changes the output"},
    broken=frozenset({Invariant.INIT_PARITY}),
)


def test_init_that_changes_the_model_is_seen_also_where_the_set_up_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The audit of a set-up that fails cannot say it: the first option that runs does."""

    def run(request: Request) -> Outcome:
        repaired = "zero-added" in request.variants
        if not request.audit:
            return Outcome(others={"spec": ""}) if repaired else CHANGED
        return Outcome(AuditResult(verdict=Verdict.COMPATIBLE, spec={}))

    monkeypatch.setattr(setups, "run", run)
    spec = AuditSpec.read(
        {"model": "adapter_audit.auditor.toys:bert", "compose": "parallel(a,b)", "adapter": "dora"}
    )
    fix = set_up_fix(resolved_job(spec))
    assert fix is not None
    assert fix.title.endswith("parameters that adapters.init adds to the model's own modules set to zero")
    assert "parameter.data.zero_()" in (fix.code or "")


def test_init_that_changes_the_model_for_good_leaves_no_set_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither base helps: nothing is found, and nothing goes wrong."""

    def run(request: Request) -> Outcome:
        assert not request.audit, "no option gets as far as an audit"
        return CHANGED

    monkeypatch.setattr(setups, "run", run)
    spec = AuditSpec.read(
        {"model": "adapter_audit.auditor.toys:bert", "compose": "parallel(a,b)", "adapter": "dora"}
    )
    assert set_up_fix(resolved_job(spec)) is None
