"""Published bugs explain findings of their releases, lines and kind, and no others."""

from __future__ import annotations

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from adapter_audit.auditor.knowledge.published_bugs import fits, published
from adapter_audit.auditor.knowledge.unwritten_needs import unwritten_needs
from adapter_audit.auditor.schema.result import Environment, Finding, Location
from adapter_audit.auditor.schema.verdicts import Cause, Confidence, Invariant, Severity


def finding(file: str, code: str, cause: Cause | None) -> Finding:
    return Finding(
        rule="AA105",
        name="a",
        invariant=Invariant.LANES,
        cause=cause,
        severity=Severity.ERROR,
        confidence=Confidence.CONFIRMED,
        message="m",
        primary=Location(file=file, line=1, code=code),
    )


@pytest.mark.parametrize("bug", published(), ids=lambda bug: f"{bug['reference']} {bug['file']}")
def test_every_record_fits_its_own_line_and_nothing_else(bug: dict[str, str]) -> None:
    cause = Cause(bug["cause"]) if "cause" in bug else Cause.LANES_LEAK
    own = finding(bug["file"], f"x = {bug['code']}, 1)", cause)
    releases = SpecifierSet(bug["releases"])
    numbers = ("0.2.2", "1.0.0", "1.0.1", "1.1.0", "1.1.1", "1.2.0", "1.3.0")
    for number in numbers:
        assert fits(bug, own, Environment(adapters=number)) == releases.contains(number)
    lives = next(Environment(adapters=n) for n in numbers if releases.contains(n))
    assert not fits(bug, own.model_copy(update={"primary": Location(file=bug["file"], code="y")}), lives)
    assert not fits(bug, own.model_copy(update={"primary": Location(file="z", code=bug["code"])}), lives)
    other = own.model_copy(update={"cause": Cause.MODEL_CHANGED})
    assert fits(bug, other, lives) == ("cause" not in bug)


def test_a_fix_is_in_no_release_where_the_bug_lives() -> None:
    for bug in published():
        if "fixed_in" in bug:
            assert not SpecifierSet(bug["releases"]).contains(Version(bug["fixed_in"]))


def test_needs_that_metadata_does_not_say() -> None:
    assert unwritten_needs("adapters==1.0.0") == ("huggingface-hub<0.26",)
    assert unwritten_needs("adapters==1.0.1") == unwritten_needs("adapters @ file:///a.whl") == ()
