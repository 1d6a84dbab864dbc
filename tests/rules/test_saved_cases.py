"""Every case of every rule about saved adapters."""

from __future__ import annotations

import pytest

from adapter_audit.rules._support.case_check import audit_objections
from adapter_audit.rules._support.registry import rules_of
from adapter_audit.rules.base import Case
from adapter_audit.rules.saved_rule import SavedRule

RULES = rules_of(SavedRule)
CASES = [
    pytest.param(rule, case, id=f"{rule.id}-{number}-{'bad' if case.bad else 'good'}")
    for rule in RULES
    for number, case in enumerate(rule.cases)
]


@pytest.mark.parametrize(("rule", "case"), CASES)
def test_saved_case(rule: SavedRule, case: Case) -> None:
    assert case.saved is not None
    findings = [finding for each in RULES for finding in each.check(case.saved)]
    assert audit_objections(rule.id, case, findings) == []
