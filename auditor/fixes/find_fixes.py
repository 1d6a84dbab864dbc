"""All fixes of one audit: a combined library patch, a set-up change, upgrades."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ..facts.facts import Facts
from ..library.adapters.adapters_library import AdaptersLibrary
from ..library.library import Library
from ..schema.result import Finding, Fix
from ..source.parsed_module import Sources
from .patch.diffs import unified
from .patch.family import SourceEdit, proposals
from .patch.patch_state import Patch, applied
from .release.published_upgrades import upgrades
from .search.patch_search import Search, choices
from .search.setup_search import set_up_fix
from .trial.trial_process import Request

REPAIRED = ("crash", "wrong", "no-effect", "abort")
"""Verdicts that a fix can change; a refusal is the library's own word."""


@dataclass(frozen=True)
class FixOptions:
    """Which kinds of fixes are looked for."""

    patches: bool = True
    setups: bool = True
    """Set-up changes cost an audit each; they are tried when no library patch is verified."""
    always_setups: bool = False
    """Look for a set-up change beside a verified patch, too."""


def find_fixes(
    facts: Facts,
    findings: Sequence[Finding],
    options: FixOptions | None = None,
) -> dict[str, tuple[Fix, ...]]:
    """Fingerprint of a finding -> its fixes, verified ones first.

    Library patches and set-up changes are for the audit as a whole, and stand at every finding that says
    that something does not work. A warning gets a library patch, too.
    """
    chosen = options or FixOptions()
    wanted = [f for f in findings if f.status == "open" and f.severity.value != "note"]
    if not wanted:
        return {}
    common = _common(facts, tuple(findings), chosen)
    return {
        f.fingerprint: tuple(
            sorted((*common, *_own(facts, f), *_upgrades(facts.library, f)), key=_unverified)
        )
        for f in wanted
    }


def _own(facts: Facts, finding: Finding) -> tuple[Fix, ...]:
    """What its rule says to do, where no set-ups are searched that could be it."""
    return () if isinstance(facts.library, AdaptersLibrary) else finding.fixes


def _unverified(fix: Fix) -> bool:
    return fix.status != "verified"


def _common(facts: Facts, findings: tuple[Finding, ...], options: FixOptions) -> list[Fix]:
    try:
        Request.of(facts.job)
    except ValueError as error:
        return _untried(facts, findings, str(error)) if options.patches else []
    found: list[Fix] = []
    if options.patches:
        found += _library_patch(facts, findings)
    serious = any(f.status == "open" and f.verdict.value in REPAIRED for f in findings)
    proven = any(f.status == "verified" for f in found)
    if options.setups and serious and (options.always_setups or not proven):
        change = set_up_fix(facts.job, findings)
        found += [change] if change is not None else []
    return found


def _proposals(facts: Facts, findings: Sequence[Finding]) -> dict[int, tuple[SourceEdit, ...]]:
    sources = Sources()
    found = {n: proposals(facts, f, sources) for n, f in enumerate(findings) if f.status == "open"}
    return {n: edits for n, edits in found.items() if edits}


def _library_patch(facts: Facts, findings: tuple[Finding, ...]) -> Iterator[Fix]:
    proposed = _proposals(facts, findings)
    patch = Search(facts.job, findings, facts.setup_failure is not None).patch(proposed) if proposed else None
    if patch is not None:
        yield _as_fix(patch, "verified" if patch.status == "verified" else "failed", patch.reason)


def _as_fix(patch: Patch, status: Literal["verified", "unverified", "failed"], reason: str) -> Fix:
    reference = patch.reference()
    return Fix(
        title=patch.title(),
        kind="library-patch",
        diff=unified(patch.files),
        status=status,
        reason=reason,
        origin="known" if reference else "general",
        reference=reference,
    )


def _untried(facts: Facts, findings: tuple[Finding, ...], why: str) -> list[Fix]:
    """The first proposals as they are, for a model that cannot be built again to try them."""

    first = next(iter(choices(_proposals(facts, findings))), None)
    patch = applied(Patch(), first.values()) if first else None
    if patch is None:
        return []
    return [_as_fix(patch, "unverified", f"not tried: {why}")]


def _upgrades(library: Library, finding: Finding) -> tuple[Fix, ...]:
    from ..library.installed import environment

    return tuple(upgrades(finding, environment(library)))
