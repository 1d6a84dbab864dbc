"""Runs every case of every audit rule: a bad one must be reported by that rule, a good one must not.

Cases that belong to other releases of `adapters` than the installed one are no tests here; every rule has
at least one bad case that is (`test_every_rule_turns_red_here`), or cases of peft (`test_peft_cases`).
"""

from __future__ import annotations

import os
from importlib.metadata import version

import pytest
from packaging.specifiers import SpecifierSet

from adapter_audit.auditor import audit
from adapter_audit.auditor.library.find_library import library_named
from adapter_audit.auditor.library.installed import environment
from adapter_audit.rules._support.case_check import audit_objections
from adapter_audit.rules._support.registry import rules_of
from adapter_audit.rules.base import AuditRule, Case

RELEASE = version("adapters")
RULES = rules_of(AuditRule)


def holds_here(case: Case) -> bool:
    return case.library is None and SpecifierSet(case.release).contains(RELEASE, prereleases=True)


CASES = [
    pytest.param(rule, case, id=f"{rule.id}-{number}-{'bad' if case.bad else 'good'}")
    for rule in RULES
    for number, case in enumerate(rule.cases)
    if holds_here(case)
]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Tiny models are slower on many threads."""
    import torch

    torch.set_num_threads(1)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"


@pytest.mark.parametrize(("rule", "case"), CASES)
def test_case(rule: AuditRule, case: Case) -> None:
    result = audit(dict(case.spec), offline=True)
    assert audit_objections(rule.id, case, result.findings) == [], (result.verdict, result.summary)
    for finding in result.findings:
        assert finding.fingerprint
        assert finding.cause is not None
        assert "\n" not in finding.message


@pytest.mark.parametrize(
    "rule", [r for r in RULES if any(c.library is None for c in r.cases)], ids=lambda rule: rule.id
)
def test_every_rule_turns_red_here(rule: AuditRule) -> None:
    assert any(case.bad and holds_here(case) for case in rule.cases)


def test_environment_is_the_one_that_cases_are_chosen_for() -> None:
    assert environment(library_named(None)).adapters == RELEASE
