"""Helpers for rules about runs that stop."""

from __future__ import annotations

from adapter_audit.auditor.facts.facts import Facts, Failure, Lane
from adapter_audit.auditor.schema.result import Confidence, Related
from adapter_audit.auditor.source.source_files import source_line
from adapter_audit.auditor.trace.op_kinds import RESHAPES


def first_stop(facts: Facts) -> tuple[Failure | None, Confidence]:
    """The first failure of the composition, and how it is known.

    What was executed wins: when the probe ran to its end, the shape trace's stop is not a stop (AA901
    reports the disagreement). When both stop, the traced one is reported, since its operands are known.
    """
    traced = facts.static.trace.failures[0] if facts.static and facts.static.trace.failures else None
    if facts.probe is None or facts.probe.death is not None:
        return traced, Confidence.CERTAIN
    if facts.probe.failure is None:
        return None, Confidence.CONFIRMED
    return traced or facts.probe.failure, Confidence.CONFIRMED


def executed_at(facts: Facts, reported: Failure | None) -> list[Related]:
    """Where the execution raised, when that is another line than the reported one; its callers."""
    executed = facts.probe.failure if facts.probe else None
    stop = executed or reported
    if stop is None:
        return []
    seen = [s for s in stop.frames if reported is None or s != reported.site][:4]
    return [
        Related(
            role="raised-at", module=stop.module, file=s.file, line=s.line, code=source_line(s.file, s.line)
        )
        for s in seen
    ]


def operand_lanes(facts: Facts, failure: Failure) -> list[Lane]:
    """Lane states of the failing op's operands, in order."""
    if failure.record is None or facts.static is None:
        return []
    trace = facts.static.trace
    return trace.operand_lanes(trace.records[failure.record])


def is_meeting(facts: Facts, failure: Failure) -> bool:
    """AA101: an expanded and an unexpanded operand in one failing op, none of them leaked."""
    lanes = operand_lanes(facts, failure)
    return Lane.EXPANDED in lanes and Lane.SHARED in lanes and Lane.LEAKED not in lanes


def is_leak(facts: Facts, failure: Failure) -> bool:
    """AA103: a leaked operand, or a reshape that was written for B rows and gets N*B."""
    if failure.record is None or facts.static is None:
        return False
    lanes = operand_lanes(facts, failure)
    record = facts.static.trace.records[failure.record]
    return Lane.LEAKED in lanes or (record.key.op in RESHAPES and Lane.EXPANDED in lanes)


def group_by_site(failures: list[Failure]) -> list[list[Failure]]:
    """Failures at the same source line are one finding (the same code in several layers)."""
    groups: dict[object, list[Failure]] = {}
    for failure in failures:
        groups.setdefault(failure.site, []).append(failure)
    return list(groups.values())
