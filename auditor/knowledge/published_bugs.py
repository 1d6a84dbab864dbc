"""Adds what is published about a finding: upstream bugs, kept as data. Data only explains.

A record matches by the library's release and the source line's file, never by a model's name.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from packaging.specifiers import SpecifierSet

from ..schema.result import Environment, Finding


def with_explanations(finding: Finding, environment: Environment) -> Finding:
    """The finding with its `explanation` filled in where a published bug fits."""
    texts = [_text(bug) for bug in published() if fits(bug, finding, environment)]
    return finding.model_copy(update={"explanation": " ".join(texts)}) if texts else finding


def fits(bug: dict[str, Any], finding: Finding, environment: Environment) -> bool:
    """Whether a bug is one of this release, in a line that the finding names, of the kind it says if any."""
    release = getattr(environment, package_of(bug), "").split("+")[0]
    if not release or not SpecifierSet(bug["releases"]).contains(release):
        return False
    if "cause" in bug and (finding.cause is None or finding.cause.value != bug["cause"]):
        return False
    places = {(p.file, p.code) for p in (finding.primary, *finding.related)}
    return any(file == bug["file"] and bug["code"] in code for file, code in places)


def package_of(bug: dict[str, Any]) -> str:
    """The package whose releases have the bug."""
    return str(bug.get("package", "adapters"))


def _text(bug: dict[str, Any]) -> str:
    fixed = f" Fixed in {package_of(bug)} {bug['fixed_in']}." if bug.get("fixed_in") else ""
    return f"Published as {bug['reference']}: {bug['summary']}.{fixed}"


@cache
def published() -> tuple[dict[str, Any], ...]:
    """The bugs of `published_bugs.json`."""
    text = (files(__package__) / "published_bugs.json").read_text(encoding="utf-8")
    return tuple(json.loads(text))
