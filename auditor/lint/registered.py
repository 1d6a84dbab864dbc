"""Finds the source rules without importing the rules of an audit (which may need more than `lint` has)."""

from __future__ import annotations

import importlib

import adapter_audit.rules as package
from adapter_audit.rules.source_rule import SourceRule

from ..source.rule_files import plugged_in_modules, shipped_modules, shipped_names

PREFIX = "AA6"
"""Ids AA601 to AA699 are source rules."""


def source_rules() -> tuple[SourceRule, ...]:
    """Instances of all source rules, ordered by id: those of this package, and of the entry points."""
    shipped = [name for key, name in shipped_modules().items() if key.startswith(PREFIX)]
    modules = [importlib.import_module(f"{package.__name__}.{name}") for name in shipped]
    modules.extend(importlib.import_module(name) for name in plugged_in_modules())
    found = {
        value.id: value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, SourceRule) and value.__module__ == module.__name__
    }
    return tuple(found[key]() for key in sorted(found))


def rule_keys() -> frozenset[str]:
    """Ids and names of all rules of this package, by file name, and of the plugged-in source rules."""
    shipped = shipped_names()
    return frozenset(
        {*shipped, *shipped.values()} | {key for rule in source_rules() for key in (rule.id, rule.name)}
    )
