"""The ops that a finding may be about: its own, or, for wrong values, what departs in the shape trace."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...schema.verdicts import SIZES, STOPS, Cause, Invariant
from ...trace.op_kinds import RESHAPES
from ...trace.records import Failure, Lane, Record, Site

if TYPE_CHECKING:
    from ...facts.facts import Facts
    from ...schema.result import Finding

VALUES = frozenset({Invariant.LANES, Invariant.PURITY, Invariant.EFFECT, Invariant.EXPANSION})
"""Invariants whose findings name a symptom; the cause may be a shape that departs before."""
MAX_SUSPECTS = 8


@dataclass(frozen=True)
class Suspect:
    """An op (None where it failed outside one) and the model code that ran it, innermost line first."""

    record: Record | None
    site: Site
    frames: tuple[Site, ...]


def meetings(facts: Facts, finding: Finding) -> Iterator[Suspect]:
    """Ops where operands with and without the lanes meet."""
    departs = finding.cause is Cause.LANE_DEPARTS and finding.primary.line
    if departs or finding.cause in SIZES | {Cause.OPERANDS_MEET, Cause.BROADCASTS}:
        yield from _own(facts, finding)
    if finding.invariant in VALUES and facts.static is not None:
        for failure in facts.static.trace.failures[:MAX_SUSPECTS]:
            if failure.site is not None and failure.record is not None:
                yield Suspect(facts.static.trace.records[failure.record], failure.site, failure.frames)


def leaks(facts: Facts, finding: Finding) -> list[Suspect]:
    """Reshapes where lanes leave their axis: the finding's own, or all of the run."""
    if finding.cause is Cause.LANES_LEAK:
        return list(_own(facts, finding))
    if facts.static is None or (finding.invariant not in VALUES and finding.cause not in STOPS):
        return []
    records = {r.index: r for r in _leaking(facts)}
    places = {r.site: Suspect(r, r.site, ()) for r in records.values()}
    return list(places.values())[:MAX_SUSPECTS]


def _leaking(facts: Facts) -> Iterator[Record]:
    assert facts.static is not None
    trace = facts.static.trace
    for failure in trace.failures:
        record = trace.records[failure.record] if failure.record is not None else None
        if record is not None and record.key.op in RESHAPES:
            lanes = trace.operand_lanes(record)
            if Lane.EXPANDED in lanes and Lane.LEAKED not in lanes:
                yield record
    yield from facts.static.graph.leak_roots([r.index for r in trace.records if r.lane is Lane.LEAKED])


def _own(facts: Facts, finding: Finding) -> Iterator[Suspect]:
    place = finding.primary
    if place.file is None or place.line is None:
        return
    record = None
    if facts.static is not None and place.node is not None:
        record = facts.static.trace.records[place.node]
    yield Suspect(record, Site(place.file, place.line, ""), frames_of(facts, finding))


def frames_of(facts: Facts, finding: Finding) -> tuple[Site, ...]:
    """The stack of a finding that something fails, innermost line first; empty where none was seen."""
    failure = failure_of(facts, finding)
    return failure.frames if failure is not None else ()


def failure_of(facts: Facts, finding: Finding) -> Failure | None:
    """The failure that was seen at the line of a finding; None where none was."""
    failures: list[Failure] = list(facts.static.trace.failures) if facts.static is not None else []
    if facts.probe is not None and facts.probe.failure is not None:
        failures.append(facts.probe.failure)
    failures += [facts.setup_failure] if facts.setup_failure is not None else []
    place = (finding.primary.file, finding.primary.line)
    return next((f for f in failures if f.site is not None and (f.site.file, f.site.line) == place), None)
