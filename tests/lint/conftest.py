"""Helpers of the lint tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from adapter_audit.auditor.lint.engine import all_source_rules
from adapter_audit.auditor.lint.source_file import SourceFile
from adapter_audit.rules.source_rule import Flaw

Check = Callable[..., list[Flaw]]


@pytest.fixture
def check() -> Check:
    """`check(text, "AA601")`: the flaws of one rule in a text."""

    def run(text: str, rule_id: str) -> list[Flaw]:
        rule = next(r for r in all_source_rules() if r.id == rule_id)
        return list(rule.check(SourceFile.parse(text.encode(), Path("modeling_toy.py"))))

    return run
