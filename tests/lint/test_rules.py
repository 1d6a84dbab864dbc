"""Every source rule: its cases, its documentation page, its file's name."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from adapter_audit.auditor.lint.engine import all_source_rules
from adapter_audit.auditor.lint.source_file import SourceFile
from adapter_audit.rules._support.case_check import source_objections
from adapter_audit.rules.base import HEADINGS, Case
from adapter_audit.rules.source_rule import SourceRule

RULES = all_source_rules()
CASES = [
    pytest.param(r, c, id=f"{r.id}-{i}-{'bad' if c.bad else 'good'}")
    for r in RULES
    for i, c in enumerate(r.cases)
]


def test_there_are_rules_with_different_ids() -> None:
    assert len(RULES) >= 7
    assert len({r.id for r in RULES}) == len({r.name for r in RULES}) == len(RULES)


@pytest.mark.parametrize(("rule", "case"), CASES)
def test_case(rule: SourceRule, case: Case) -> None:
    source = SourceFile.parse(case.source.encode(), Path("case.py"))
    assert source_objections(rule.id, case, [f for other in RULES for f in other.check(source)]) == []
    found = list(rule.check(source))
    assert all(f.rule == rule.id and f.line >= 1 and f.column >= 1 and "\n" not in f.message for f in found)


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.id)
def test_page_and_file_name(rule: SourceRule) -> None:
    page = type(rule).documentation()
    assert page.splitlines()[0] == f"{rule.id} {rule.name}"
    assert [line[3:] for line in page.splitlines() if line.startswith("## ")] == list(HEADINGS)
    file = Path(inspect.getfile(type(rule))).stem
    assert file == f"{rule.id.lower()}_{rule.name.replace('-', '_')}"


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.id)
def test_has_bad_and_good_cases(rule: SourceRule) -> None:
    assert {c.bad for c in rule.cases} == {True, False}


@pytest.mark.parametrize(("rule", "case"), [p for p in CASES if p.values[1].bad])
def test_only_code_for_adapters_is_judged(rule: SourceRule, case: Case) -> None:
    """The same code without any sign of adapters is none of our business."""
    text = (
        case.source.replace("WithAdapters", "")
        .replace("AdaptersMixin", "Mixin")
        .replace("AdapterLayerBase", "X")
    )
    text = text.replace("adapters", "others").replace("prefix_tuning", "prefix")
    for helper in ("adjust_tensors_for_parallel", "match_attn_matrices_for_parallel", "get_active_setup"):
        text = text.replace(helper, "helper")
    assert list(rule.check(SourceFile.parse(text.encode(), Path("case.py")))) == []
