"""Finds all rules: by walking this package, and by the entry points `adapter_audit.rules`."""

from __future__ import annotations

import importlib
from functools import cache
from types import ModuleType
from typing import TypeVar

import adapter_audit.rules as package
from adapter_audit.auditor.source.rule_files import plugged_in_modules, shipped_modules

from ..base import Rule

R = TypeVar("R", bound=Rule)


@cache
def all_rules() -> tuple[type[Rule], ...]:
    """Every rule class, ordered by id. Raises ValueError when two rules share an id."""
    found: dict[str, type[Rule]] = {}
    for module in (*_package_modules(), *_plugin_modules()):
        for rule in _rules_in(module):
            if found.setdefault(rule.id, rule) is not rule:
                raise ValueError(
                    f"rule id {rule.id} is used by {found[rule.id].__module__} and {module.__name__}"
                )
    return tuple(found[key] for key in sorted(found))


def rules_of(kind: type[R]) -> tuple[R, ...]:
    """Instances of all rules of one kind (`AuditRule`, `SourceRule`), ordered by id."""
    return tuple(rule() for rule in all_rules() if issubclass(rule, kind))


def find_rule(key: str) -> type[Rule] | None:
    """The rule with this id or name (case-insensitive), or None."""
    wanted = key.strip().lower()
    return next((r for r in all_rules() if wanted in (r.id.lower(), r.name)), None)


def _package_modules() -> list[ModuleType]:
    return [importlib.import_module(f"{package.__name__}.{name}") for name in shipped_modules().values()]


def _plugin_modules() -> list[ModuleType]:
    return [importlib.import_module(name) for name in plugged_in_modules()]


def _rules_in(module: ModuleType) -> list[type[Rule]]:
    return [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Rule) and value.__module__ == module.__name__
    ]
