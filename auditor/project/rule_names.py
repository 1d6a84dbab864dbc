"""Ids and names of the rules without importing them: a rule's file is called `aa101_its_name.py`."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache

from ..errors import UsageError
from ..source.rule_files import shipped_names


def rule_id(key: str) -> str:
    """The id of the rule with this id or name, whatever the case; raises UsageError with the nearest."""
    wanted = key.strip()
    found = _find(wanted, shipped_names()) or _find(wanted, _all())
    if found is None:
        raise UsageError(f"unknown rule {wanted!r}", do=suggestion(wanted))
    return found


def rule_ids(keys: Iterable[str]) -> frozenset[str]:
    """`rule_id` of each."""
    return frozenset(rule_id(key) for key in keys)


def suggestion(key: str) -> str:
    """What to do about an unknown rule: the nearest ids and names, or where the list is."""
    known = [word for rule, name in _all().items() for word in (rule, name)]
    wanted = key.upper() if key.upper().startswith("AA") else key.lower()
    near = get_close_matches(wanted, known, 2, 0.6)
    return f"did you mean {' or '.join(near)}?" if near else "adapter-audit rules lists them"


def _find(wanted: str, names: dict[str, str]) -> str | None:
    if wanted.upper() in names:
        return wanted.upper()
    return next((rule for rule, name in names.items() if name == wanted.lower()), None)


@cache
def _all() -> dict[str, str]:
    """Also those that other packages plug in; these have to be imported."""
    from adapter_audit.rules._support.registry import all_rules

    return {rule.id: rule.name for rule in all_rules()}
