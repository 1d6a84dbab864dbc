"""Finds the source rules without importing the rules of an audit (which may need more than `lint` has)."""

from __future__ import annotations

import importlib
import pkgutil
import re

import adapter_audit.rules as package
from adapter_audit.rules.source_rule import SourceRule

from ..source.rule_plugins import plugged_in_modules

PREFIX = "aa6"
"""Ids AA601 to AA699 are source rules, and a rule's file is named after its id."""
_FILE = re.compile(r"^(aa\d+)_(\w+)$")


def source_rules() -> tuple[SourceRule, ...]:
    """Instances of all source rules, ordered by id: those of this package, and of the entry points."""
    modules = [
        importlib.import_module(f"{package.__name__}.{n}") for n in _file_names() if n.startswith(PREFIX)
    ]
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
    matches = [m for m in map(_FILE.match, _file_names()) if m]
    keys = {m.group(1).upper() for m in matches} | {m.group(2).replace("_", "-") for m in matches}
    return frozenset(keys | {key for rule in source_rules() for key in (rule.id, rule.name)})


def _file_names() -> list[str]:
    return sorted(m.name for m in pkgutil.iter_modules(package.__path__))
