"""Releases in which a published bug is fixed, from data. Nothing is installed or run: unverified."""

from __future__ import annotations

from collections.abc import Iterator

from ...knowledge.published_bugs import fits, package_of, published
from ...schema.result import Environment, Finding, Fix


def upgrades(finding: Finding, environment: Environment) -> Iterator[Fix]:
    """An upgrade for every published bug that the finding fits and that has a fixed release."""
    for bug in (b for b in published() if fits(b, finding, environment)):
        fixed, package = bug.get("fixed_in"), package_of(bug)
        if fixed:
            yield Fix(
                title=f"upgrade to {package} {fixed} or later",
                kind="upgrade",
                code=f"pip install '{package}>={fixed}'",
                reason=f"{bug['reference']} says so; that release was not audited here",
            )
