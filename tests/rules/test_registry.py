"""What holds for every rule file: identity, documentation page, cases."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from adapter_audit.rules._support.registry import all_rules, find_rule
from adapter_audit.rules.base import HEADINGS, Rule

RULES = all_rules()
BLOCKS = {"config": "0", "meta": "01", "probe": "29", "source": "6", "saved": "3"}
"""First digit of the number that rules of a fidelity have (AA105 also reports set-up failures)."""


def test_ids_and_names_are_unique() -> None:
    assert len(RULES) >= 20
    assert len({rule.id for rule in RULES}) == len({rule.name for rule in RULES}) == len(RULES)


def test_every_rule_file_holds_exactly_one_rule() -> None:
    folder = Path(inspect.getfile(Rule)).parent
    files = {path.stem for path in folder.glob("aa*.py")}
    assert files == {Path(inspect.getfile(rule)).stem for rule in RULES}
    assert len(files) == len(RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_identity(rule: type[Rule]) -> None:
    assert re.fullmatch(r"AA\d{3}", rule.id)
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", rule.name)
    assert Path(inspect.getfile(rule)).stem == f"{rule.id.lower()}_{rule.name.replace('-', '_')}"
    assert rule.id[2] in BLOCKS[rule.requires] or rule.id == "AA105"
    assert find_rule(rule.id.lower()) is find_rule(rule.name) is rule


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_documentation_page(rule: type[Rule]) -> None:
    page = rule.documentation()
    assert page.splitlines()[0] == rule.title()
    sections = re.split(r"^## (.+)$", page, flags=re.MULTILINE)[1:]
    assert tuple(sections[::2]) == HEADINGS
    assert all(len(text.strip()) > 10 for text in sections[1::2])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_bad_and_good_cases(rule: type[Rule]) -> None:
    """A rule that no case turns red could be dead without anybody noticing."""
    assert {case.bad for case in rule.cases} == {True, False}
