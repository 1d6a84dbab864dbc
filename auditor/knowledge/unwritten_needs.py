"""What a release needs that its own metadata does not say, as data: only what was seen to fail without it."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet


def unwritten_needs(requirement: str) -> tuple[str, ...]:
    """Requirements to add to `NAME==VERSION`; none for anything else."""
    wanted = Requirement(requirement)
    pins = [s.version for s in wanted.specifier if s.operator == "=="]
    return tuple(
        need
        for entry in _entries()
        if entry["package"] == wanted.name
        for version in pins
        if SpecifierSet(entry["releases"]).contains(version)
        for need in entry["needs"]
    )


@cache
def _entries() -> tuple[dict[str, Any], ...]:
    text = (files(__package__) / "unwritten_needs.json").read_text(encoding="utf-8")
    return tuple(json.loads(text))
