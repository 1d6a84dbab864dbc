"""A comparison by cause: many audits that broke at one line are one thing to repair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from adapter_audit.auditor.schema.comparison import Comparison, Kind, Pair
from adapter_audit.auditor.schema.result import AuditResult, Finding

from . import words

TITLE: dict[Kind, str] = {
    Kind.BROKEN: "Broken",
    Kind.LOST: "Cannot be audited any more",
    Kind.CHANGED: "Wrong for another reason",
    Kind.FIXED: "Fixed",
    Kind.GAINED: "Can be audited now",
}
"""What is reported, in this order; what stayed the same is counted."""
TONE: dict[Kind, words.Tone] = {
    Kind.BROKEN: "bad",
    Kind.LOST: "unknown",
    Kind.CHANGED: "warning",
    Kind.FIXED: "good",
    Kind.GAINED: "note",
}


@dataclass(frozen=True)
class Group:
    """Audits of one kind with the same first cause; without a finding, with the same reason."""

    kind: Kind
    cause: Finding | None
    reason: str
    """The cause in a few words, or why there is none."""
    pairs: tuple[Pair, ...]


def groups(comparison: Comparison, kind: Kind) -> list[Group]:
    """The causes of one kind, that of the most audits first."""
    found: dict[tuple[str, ...], list[Pair]] = {}
    for pair in comparison.of_kind(kind):
        found.setdefault(_key(pair), []).append(pair)
    made = [_group(kind, pairs) for pairs in found.values()]
    return sorted(made, key=lambda group: -len(group.pairs))


def headline(pair: Pair) -> str:
    """What was audited, and what became of it."""
    return f"{words.headline(pair.after)}: {pair.before.verdict.value} -> {pair.after.verdict.value}"


def tally(comparison: Comparison) -> str:
    """`3 broken, 1 fixed, 20 same`."""
    counted = [(kind.value, len(comparison.of_kind(kind))) for kind in Kind]
    return ", ".join(f"{number:,} {name}" for name, number in counted if number) or "no audits"


def title(comparison: Comparison) -> str:
    """`adapters 1.2.0 -> what is installed`."""
    return f"{comparison.before.label} -> {comparison.after.label}"


def versions(comparison: Comparison) -> list[tuple[str, str, str]]:
    """Package, release before, release after; of all packages that differ, or of all where none does."""
    old = comparison.before.environment.model_dump()
    new = comparison.after.environment.model_dump()
    rows = [(name, str(old.get(name, "")), str(new.get(name, ""))) for name in dict.fromkeys([*old, *new])]
    return [row for row in rows if row[1] != row[2]] or rows


def _group(kind: Kind, pairs: Sequence[Pair]) -> Group:
    first = _first(pairs[0])
    if first is None:
        return Group(kind, None, _reason(pairs[0]), tuple(pairs))
    place = words.place(first.primary)
    where = f" at {place}" if place else ""
    return Group(kind, first, f"{first.rule} {first.name}{where}", tuple(pairs))


def _key(pair: Pair) -> tuple[str, ...]:
    first = _first(pair)
    if first is None:
        return ("", _reason(pair))
    return (first.rule, first.primary.file or "", str(first.primary.line), first.primary.code)


def _first(pair: Pair) -> Finding | None:
    """The worst of the causes, in the order in which reports show findings."""
    causes = {finding.fingerprint for finding in pair.causes}
    told = pair.before if pair.kind is Kind.FIXED else pair.after
    return next((f for f in words.open_findings(told) if f.fingerprint in causes), None)


def _reason(pair: Pair) -> str:
    told: AuditResult = pair.before if pair.kind in (Kind.FIXED, Kind.GAINED) else pair.after
    if told.error:
        return told.error
    if told.verdict.value == "unknown" and told.unknowns:
        return told.unknowns[0]
    if pair.kind is Kind.CHANGED:
        return "some of its causes are gone"
    return words.summary(told)
