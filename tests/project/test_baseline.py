"""Known findings, inline ignores and ignores with a reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter_audit.auditor.cli.options import exit_code
from adapter_audit.auditor.errors import UsageError
from adapter_audit.auditor.project.baseline import Baseline, written
from adapter_audit.auditor.project.policy import Policy
from adapter_audit.auditor.project.settings import Ignore
from adapter_audit.auditor.schema.result import (
    AuditResult,
    Confidence,
    Finding,
    Location,
    Severity,
    Skipped,
    Verdict,
    fingerprint,
)

SPEC: dict[str, object] = {"model": "t5-base", "compose": "parallel:2", "mask": "none", "mode": "forward"}


def finding(
    rule: str = "AA101", module: str = "encoder.block.1.Attention", line: int = 3, file: str = ""
) -> Finding:
    return Finding(
        rule=rule,
        name={"AA101": "expanded-meets-shared", "AA203": "no-effect"}[rule],
        invariant="meeting",
        severity=Severity.ERROR,
        confidence=Confidence.CONFIRMED,
        message="does not fit",
        primary=Location(module=module, file=file or "x/modeling_x.py", line=line, op="aten.add.Tensor"),
        verdict={"AA101": Verdict.CRASH, "AA203": Verdict.NO_EFFECT}[rule],
        fingerprint=fingerprint(rule, module, "aten.add.Tensor", "batch"),
    )


def result(*findings: Finding, skipped: tuple[Skipped, ...] = (), **spec: object) -> AuditResult:
    order = list(Verdict)
    verdict = max((f.verdict for f in findings), key=order.index, default=Verdict.COMPATIBLE)
    return AuditResult(
        verdict=verdict, summary="words", spec={**SPEC, **spec}, findings=findings, skipped=skipped
    )


def made(path: Path, *results: AuditResult) -> Baseline:
    path.write_text(written(path, results))
    return Baseline.read(path)


def test_known_findings_no_longer_fail_and_are_counted(tmp_path: Path) -> None:
    known = made(tmp_path / "b.json", result(finding()))
    after = known.applied(result(finding()))
    assert [f.status for f in after.findings] == ["baselined"]
    assert after.findings[0].status_reason == "known, in b.json"
    assert after.verdict is Verdict.CRASH
    assert exit_code([after], "error") == 0
    assert exit_code([result(finding())], "error") == 1
    assert list(known.unused()) == []


def test_other_lines_and_layers_are_the_same_finding(tmp_path: Path) -> None:
    known = made(tmp_path / "b.json", result(finding(line=3)))
    moved = finding(module="encoder.block.7.Attention", line=99)
    assert known.applied(result(moved)).findings[0].status == "baselined"


@pytest.mark.parametrize(
    "other", [{"model": "bert"}, {"compose": "parallel:3"}, {"mask": "right"}, {"adapter": "lora"}]
)
def test_another_audit_is_not_covered(tmp_path: Path, other: dict[str, object]) -> None:
    known = made(tmp_path / "b.json", result(finding()))
    assert known.applied(result(finding(), **other)).findings[0].status == "open"


def test_another_role_or_rule_is_not_covered(tmp_path: Path) -> None:
    known = made(tmp_path / "b.json", result(finding()))
    news = [finding("AA203"), finding(module="decoder.block.1.Attention")]
    assert [f.status for f in known.applied(result(*news)).findings] == ["open", "open"]


def test_defaults_and_the_id_do_not_make_another_audit(tmp_path: Path) -> None:
    known = made(tmp_path / "b.json", result(finding()))
    short = result(finding()).model_copy(
        update={"spec": {"id": "x", "model": "t5-base", "compose": "parallel:2"}}
    )
    assert known.applied(short).findings[0].status == "baselined"


def test_paths_are_portable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models" / "small").mkdir(parents=True)
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "b.json"
    made(path, result(finding(), model="models/small"))
    assert json.loads(path.read_text())["audits"][0]["spec"]["model"] == "models/small"
    monkeypatch.chdir(tmp_path / "below")
    again = Baseline.read(Path("../b.json")).applied(result(finding(), model="../models/small"))
    assert again.findings[0].status == "baselined"


def test_what_is_not_needed_any_more_is_told(tmp_path: Path) -> None:
    known = made(tmp_path / "b.json", result(finding(), finding("AA203")), result(finding(), model="other"))
    known.applied(result(finding()))
    assert [(audit, entry.rule) for audit, entry in known.unused()] == [("t5-base parallel:2", "AA203")]


def test_rules_that_did_not_run_are_not_judged(tmp_path: Path) -> None:
    known = made(tmp_path / "b.json", result(finding("AA203")))
    known.applied(result(skipped=(Skipped(rule="AA203", reason="--static-only"),)))
    assert list(known.unused()) == []


def test_only_open_findings_are_written(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    ignored = finding("AA203").model_copy(update={"status": "ignored", "status_reason": "x"})
    made(path, result(finding(), ignored))
    entries = json.loads(path.read_text())["audits"][0]["findings"]
    assert [entry["rule"] for entry in entries] == ["AA101"]


def test_writing_again_keeps_other_audits_and_drops_what_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    made(path, result(finding(), finding("AA203")), result(finding(), model="other"))
    first = path.read_text()
    known = Baseline.read(path)
    assert written(path, [known.applied(result(finding(), finding("AA203")))]) == first
    made(path, result(finding("AA203")))
    data = {
        audit["spec"]["model"]: [e["rule"] for e in audit["findings"]]
        for audit in json.loads(path.read_text())["audits"]
    }
    assert data == {"other": ["AA101"], "t5-base": ["AA203"]}
    made(path, result())
    assert [audit["spec"]["model"] for audit in json.loads(path.read_text())["audits"]] == ["other"]


@given(content=st.binary(max_size=80) | st.integers(1, 10**5).map(lambda n: b"[" * n))
def test_any_file_is_a_baseline_or_one_line(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="is not a baseline") as caught:
        Baseline.read(path)
    assert "\n" not in caught.value.line


COMMENTS = [
    ("x = y + z  # adapter-audit: ignore[AA101] broadcast is meant", "ignored", "broadcast is meant"),
    ("x = y + z  # adapter-audit: ignore[aa203, Expanded-Meets-Shared] two", "ignored", "two"),
    ("x = y + z  # adapter-audit: ignore[AA203] another rule", "open", ""),
    ("x = y + z  # adapter-audit: ignore[AA101]", "open", ""),
    ("x = y + z  # adapter-audit: ignore a reason without a rule", "open", ""),
    ("x = y + z", "open", ""),
]


@pytest.mark.parametrize("above", [False, True])
@pytest.mark.parametrize(("line", "status", "reason"), COMMENTS)
def test_comments_at_the_primary_line(
    tmp_path: Path, line: str, status: str, reason: str, above: bool
) -> None:
    code, _, comment = line.partition("  #")
    text = f"a = 1\n#{comment}\n# more words\n{code}\n" if above and comment else f"a = 1\n\n\n{line}\n"
    file = tmp_path / "modeling_x.py"
    file.write_text(text)
    policy = Policy()
    after = policy.applied(result(finding(file=str(file), line=4)))
    assert (after.findings[0].status, after.findings[0].status_reason) == (status, reason)
    assert bool(policy.warnings) == line.endswith("ignore[AA101]")


def test_a_comment_on_another_line_does_nothing(tmp_path: Path) -> None:
    file = tmp_path / "modeling_x.py"
    file.write_text("a = 1  # adapter-audit: ignore[AA101] not here\nx = y + z\n")
    assert Policy().applied(result(finding(file=str(file), line=2))).findings[0].status == "open"


def test_a_comment_without_a_reason_is_told_once(tmp_path: Path) -> None:
    file = tmp_path / "modeling_x.py"
    file.write_text("x = y + z  # adapter-audit: ignore[AA101]\n")
    policy = Policy()
    for _ in range(2):
        policy.applied(result(finding(file=str(file), line=1)))
    assert policy.warnings == [f"{file}:1: ignore[AA101] has no reason and does nothing"]


def test_ignores_of_the_configuration_carry_their_reason() -> None:
    policy = Policy([Ignore(rule="no-effect", reason="not trained yet")])
    after = policy.applied(result(finding("AA203")))
    assert (after.findings[0].status, after.findings[0].status_reason) == ("ignored", "not trained yet")
    assert after.verdict is Verdict.COMPATIBLE
    assert "beside what is ignored (1)" in after.summary


def test_ignores_of_one_audit_hold_for_it_alone() -> None:
    policy = Policy()
    own = [Ignore(rule="AA101", reason="known")]
    assert policy.applied(result(finding(), finding("AA203")), own).verdict is Verdict.NO_EFFECT
    assert policy.applied(result(finding())).verdict is Verdict.CRASH


def test_what_was_not_decided_stays_so() -> None:
    open_question = result(finding("AA203")).model_copy(update={"unknowns": ("how?",)})
    policy = Policy([Ignore(rule="AA203", reason="x")])
    assert policy.applied(open_question).verdict is Verdict.UNKNOWN
