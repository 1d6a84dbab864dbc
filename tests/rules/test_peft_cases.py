"""Runs every case about peft with every release that it holds in."""

from __future__ import annotations

import pytest
from packaging.specifiers import SpecifierSet
from peft_releases import FOLDERS, MISSING, audited

from adapter_audit.rules._support.case_check import audit_objections
from adapter_audit.rules._support.registry import rules_of
from adapter_audit.rules.base import AuditRule, Case

CASES = [(rule, case) for rule in rules_of(AuditRule) for case in rule.cases if case.library == "peft"]


def held(release: str) -> list[tuple[AuditRule, Case]]:
    return [(r, c) for r, c in CASES if SpecifierSet(c.release).contains(release)]


def test_there_are_releases() -> None:
    assert FOLDERS, MISSING


@pytest.mark.parametrize("release", FOLDERS)
def test_cases(release: str) -> None:
    results = audited(release, [case.spec for _, case in held(release)])
    for (rule, case), result in zip(held(release), results, strict=True):
        told = (rule.id, dict(case.spec), result.verdict, result.summary)
        assert result.environment.peft == release
        assert audit_objections(rule.id, case, result.findings) == [], told


def test_every_rule_about_peft_turns_red_somewhere() -> None:
    red = {rule.id for release in FOLDERS for rule, case in held(release) if case.bad}
    assert red == {rule.id for rule, _ in CASES}
