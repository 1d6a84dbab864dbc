"""The same audits in two environments, pair by pair: what broke, what was fixed, what has another cause."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum

from pydantic import BaseModel, ConfigDict

from .result import AuditResult, Environment, Finding
from .verdicts import Severity, Verdict

SCHEMA_VERSION = 1


class Kind(str, Enum):
    """What became of one audit, the worst first."""

    BROKEN = "broken"
    """It was compatible and is not any more."""
    LOST = "lost"
    """It was decided and cannot be audited any more, or is not decided."""
    CHANGED = "changed cause"
    """It is wrong in both, for other reasons."""
    FIXED = "fixed"
    """It is compatible and was not."""
    GAINED = "gained"
    """It is decided, and could not be audited, or was not decided."""
    SAME = "same"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Side(_Model):
    """One of the two environments."""

    label: str
    """What was asked for, e.g. `adapters 1.2.0`."""
    environment: Environment


class Pair(_Model):
    """One audit in both environments."""

    kind: Kind
    before: AuditResult
    after: AuditResult

    @property
    def causes(self) -> tuple[Finding, ...]:
        """What is wrong after and was not before; for what was fixed, what was wrong before."""
        if self.kind is Kind.FIXED:
            return tuple(_not_in(self.before, self.after))
        return tuple(_not_in(self.after, self.before))


class Comparison(_Model):
    """All pairs, in the order of the audits."""

    schema_version: int = SCHEMA_VERSION
    before: Side
    after: Side
    pairs: tuple[Pair, ...]

    def of_kind(self, kind: Kind) -> tuple[Pair, ...]:
        """The pairs of one kind."""
        return tuple(pair for pair in self.pairs if pair.kind is kind)


def compared(before: Side, after: Side, results: Sequence[tuple[AuditResult, AuditResult]]) -> Comparison:
    """The comparison of results, each before and after."""
    pairs = tuple(Pair(kind=_kind(old, new), before=old, after=new) for old, new in results)
    return Comparison(before=before, after=after, pairs=pairs)


def _kind(before: AuditResult, after: AuditResult) -> Kind:
    decided = [result.verdict is not Verdict.UNKNOWN for result in (before, after)]
    if decided == [True, False]:
        return Kind.LOST
    if decided == [False, True]:
        return Kind.GAINED
    good = [result.verdict is Verdict.COMPATIBLE for result in (before, after)]
    if good == [True, False] and decided[1]:
        return Kind.BROKEN
    if good == [False, True] and decided[0]:
        return Kind.FIXED
    return Kind.SAME if _causes(before) == _causes(after) else Kind.CHANGED


def _causes(result: AuditResult) -> tuple[Verdict, frozenset[str]]:
    return result.verdict, frozenset(finding.fingerprint for finding in _open(result))


def _not_in(result: AuditResult, other: AuditResult) -> Iterator[Finding]:
    known = {finding.fingerprint for finding in _open(other)}
    yield from (finding for finding in _open(result) if finding.fingerprint not in known)


def _open(result: AuditResult) -> Iterator[Finding]:
    """What makes the verdict: errors, and warnings of a verdict of their own."""
    yield from (
        f
        for f in result.findings
        if f.status == "open" and (f.severity is Severity.ERROR or f.verdict is not Verdict.COMPATIBLE)
    )
