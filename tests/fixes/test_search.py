"""The search for a patch: what is tried, and what is left of it in the end. Audits are played."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from adapter_audit.auditor.fixes.patch.family import SourceEdit
from adapter_audit.auditor.fixes.patch.patch_state import Patch
from adapter_audit.auditor.fixes.search import patch_search as search
from adapter_audit.auditor.fixes.trial.trial_process import Outcome, Request
from adapter_audit.auditor.request.job import Job
from adapter_audit.auditor.request.model_source import ModelSource
from adapter_audit.auditor.schema.result import AuditResult, Confidence, Finding, Location, Severity, Verdict
from adapter_audit.auditor.schema.spec import AuditSpec
from adapter_audit.auditor.source.parsed_module import Edit

FILES = ("adapters/composition.py", "adapters/context.py")


def finding(rule: str = "AA101") -> Finding:
    return Finding(
        rule=rule,
        name="n",
        invariant="meeting",
        severity=Severity.ERROR,
        confidence=Confidence.CERTAIN,
        message="wrong",
        primary=Location(file=FILES[0], line=1, code="x"),
        verdict=Verdict.CRASH,
    )


def edit(file: str, text: str) -> SourceEdit:
    return SourceEdit(file, (Edit(1, 0, 1, 0, f"# {text}\n"),), text)


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The files of every trial; an audit is clean when `needed` was written to the first file."""
    tried: list[tuple[str, ...]] = []

    def run(request: Request) -> Outcome:
        if not request.audit:
            return Outcome(alone={"": {}})
        tried.append(tuple(sorted(request.patched)))
        good = "# needed" in request.patched.get(FILES[0], "")
        result = AuditResult(
            verdict=Verdict.COMPATIBLE if good else Verdict.CRASH,
            spec={},
            findings=() if good else (finding(),),
        )
        return Outcome(result, alone={"": {}})

    monkeypatch.setattr(search, "run", run)
    return tried


def found(proposals: dict[int, tuple[SourceEdit, ...]]) -> Patch | None:
    spec = AuditSpec.read({"model": "m", "compose": "parallel(a,b)"})
    source: Any = ModelSource("m", "directory", config={"model_type": "bert"})
    return search.Search(Job.of(spec, source), (finding(), finding("AA103"))).patch(proposals)


def test_files_that_are_not_needed_are_left_out(played: list[tuple[str, ...]]) -> None:
    patch = found({0: (edit(FILES[0], "needed"),), 1: (edit(FILES[1], "useless"),)})
    assert patch is not None
    assert (patch.status, patch.title(), tuple(patch.files)) == ("verified", "needed", FILES[:1])
    assert played == [FILES, FILES[:1]], "nothing else than the first file can mend what stops in it"


def test_the_same_text_is_tried_once(played: list[tuple[str, ...]]) -> None:
    bad = edit(FILES[0], "bad")
    patch = found({0: (bad, bad, edit(FILES[0], "needed"))})
    assert patch is not None
    assert (patch.status, patch.title()) == ("verified", "needed")
    assert len(played) == 2


def test_what_failed_first_is_told_where_nothing_helps(played: list[tuple[str, ...]]) -> None:
    patch = found({0: (edit(FILES[0], "bad"), edit(FILES[0], "worse"))})
    assert patch is not None
    assert (patch.status, patch.title()) == ("failed", "bad")
    assert "still finds AA101: wrong" in patch.reason
    assert len(played) == 2


def test_what_belongs_together_is_tried_together(played: list[tuple[str, ...]]) -> None:
    whole = replace(edit(FILES[0], "needed"), also=(edit(FILES[1], "too"),))
    patch = found({0: (whole,)})
    assert patch is not None
    assert (patch.status, patch.title()) == ("verified", "needed; too")
    assert played == [FILES]


def test_parts_that_nothing_speaks_for_are_left_out_again(played: list[tuple[str, ...]]) -> None:
    doubtful = replace(edit(FILES[1], "too"), likely=False)
    patch = found({0: (replace(edit(FILES[0], "needed"), also=(doubtful,)),)})
    assert patch is not None
    assert tuple(patch.files) == FILES[:1]
    assert played == [FILES, FILES[:1]]


def test_the_search_goes_on_where_one_of_two_answers_helped(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second finding stays; its next answer is tried on top of what helped the first one."""

    def run(request: Request) -> Outcome:
        if not request.audit:
            return Outcome(alone={"": {}})
        text = "".join(request.patched.values())
        left = [f for f, mark in ((finding(), "first"), (finding("AA103"), "second")) if mark not in text]
        verdict = Verdict.CRASH if left else Verdict.COMPATIBLE
        answers = {n: (edit(FILES[1], "second"),) for n, f in enumerate(left) if f.rule == "AA103"}
        result = AuditResult(verdict=verdict, spec={}, findings=tuple(left))
        return Outcome(result, proposals=answers, alone={"": {}})

    monkeypatch.setattr(search, "run", run)
    patch = found({0: (edit(FILES[0], "first"),), 1: (edit(FILES[1], "no use"),)})
    assert patch is not None
    assert (patch.status, patch.title()) == ("verified", "first; no use; second")


def test_a_full_decoder_mask_is_tried_with_padding_too() -> None:
    """A mask of ones is left out by transformers, and with it the lines that need the patch."""
    given = {"model": "m", "compose": "parallel(a,b)", "batch": 3, "mask": "full"}
    source = ModelSource("m", "not looked for")
    plain = Job.of(AuditSpec.read(given), source)
    assert [(j.rows, j.spec.mask) for j in search.other_sizes(plain)] == [(1, "full"), (4, "full")]
    masked = Job.of(AuditSpec.read(given | {"inputs": ["decoder_attention_mask"]}), source)
    assert [(j.rows, j.spec.mask) for j in search.other_sizes(masked)] == [(1, "right"), (4, "right")]
