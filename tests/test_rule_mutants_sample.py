"""A fixed sample of the mutation of rules (`benchmarks/rule_mutants.py`): broken rules fail their cases."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from adapter_audit.auditor.schema.result import Confidence, Finding, Location
from adapter_audit.auditor.schema.verdicts import Cause, Invariant, Severity, Verdict
from adapter_audit.rules._support.case_check import audit_objections
from adapter_audit.rules.aa101_expanded_meets_shared import ExpandedMeetsShared
from adapter_audit.rules.base import AuditRule

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "rule_mutants.py"
SAMPLE = ("AA204", "AA604")


def test_no_mutant_of_the_sample_survives(tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    command = [sys.executable, str(BENCHMARK), "--only", ",".join(SAMPLE), "-o", str(file)]
    env = dict(os.environ, OMP_NUM_THREADS="1")
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads(file.read_text(encoding="utf-8"))
    assert [row["rule"] for row in rows] == list(SAMPLE)
    assert all(row["mutants"] >= 6 and row["survivors"] == [] for row in rows)


def finding(**fields: object) -> Finding:
    case = ExpandedMeetsShared.cases[0]
    told = Finding(
        rule="AA101",
        name="n",
        invariant=Invariant.MEETING,
        cause=Cause.OPERANDS_MEET,
        severity=Severity.ERROR,
        confidence=Confidence.CERTAIN,
        message=f"... {case.says} ...",
        primary=Location(module=case.place, file="toys/broken.py", line=1, code=case.code),
        verdict=Verdict.CRASH,
    )
    return told.model_copy(update=fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"primary": Location(module="nowhere")},
        {"primary": Location(module="encoder.layer.0", code="another line")},
        {"severity": Severity.WARNING},
        {"verdict": Verdict.WRONG},
        {"message": "something is wrong"},
        {"status": "ignored"},
        {"rule": "AA102"},
    ],
)
def test_a_case_objects_to_another_finding(fields: dict[str, object]) -> None:
    case = replace(ExpandedMeetsShared.cases[0], times=1)
    assert audit_objections("AA101", case, [finding()]) == []
    assert audit_objections("AA101", case, [finding(**fields)])


def test_a_case_objects_to_what_else_is_reported() -> None:
    case = replace(ExpandedMeetsShared.cases[0], times=1)
    other = finding(rule="AA209", severity=Severity.WARNING)
    assert audit_objections("AA101", case, [finding(), other]) == ["other rules: ['AA209'], not []"]
    assert audit_objections("AA101", replace(case, also=("AA209",)), [finding(), other]) == []
    assert audit_objections("AA101", case, [finding(), finding(rule="AA901", severity=Severity.NOTE)]) == []
    assert audit_objections("AA101", ExpandedMeetsShared.cases[-1], [finding()])


def test_an_error_changes_the_verdict() -> None:
    with pytest.raises(TypeError, match="is an error: say what it makes of the verdict"):
        type("Toothless", (AuditRule,), {"severity": Severity.ERROR})
    with pytest.raises(ValueError, match="leaves the verdict compatible"):
        ExpandedMeetsShared().finding("x", Location(), verdict=Verdict.COMPATIBLE)
