"""Finds the source rules without importing the rules of an audit (which may need more than `lint` has)."""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
from pathlib import Path

import adapter_audit.rules as package
from adapter_audit.rules.source_rule import SourceRule

PREFIX = "aa6"
"""Ids AA601 to AA699 are source rules, and a rule's file is named after its id."""
GROUP = "adapter_audit.rules"
_FILE = re.compile(r"^(aa\d+)_(\w+)$")


def source_rules() -> tuple[SourceRule, ...]:
    """Instances of all source rules, ordered by id: those of this package, and of the entry points."""
    modules = [
        importlib.import_module(f"{package.__name__}.{n}") for n in _file_names() if n.startswith(PREFIX)
    ]
    modules.extend(importlib.import_module(name) for name in _plugged_in())
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


def _plugged_in() -> list[str]:
    """Modules that installed packages name under the entry point; most environments have none.

    `importlib.metadata` takes longer to import than a file takes to check, so it is first seen whether any
    package has such an entry point at all.
    """
    if not any(
        _mentions_group(file) for folder in sys.path for file in Path(folder).glob("*-info/entry_points.txt")
    ):
        return []
    from importlib.metadata import entry_points

    return [point.value for point in entry_points(group=GROUP)]


def _mentions_group(file: Path) -> bool:
    try:
        return GROUP.encode() in file.read_bytes()
    except OSError:
        return False


def _file_names() -> list[str]:
    return sorted(m.name for m in pkgutil.iter_modules(package.__path__))
