"""AA102 holds-only-at-batch-one

## What it does
Finds places where an expanded tensor is combined with an unexpanded one and it works only because the
caller's batch has one row, which broadcasts.

## Why is this bad
Everything looks right with one example and fails with two.

## Example
`adapter-audit t5-base --compose parallel:5 --adapter 'lora[leave_out=[0]]' --batch 1`

## Fix
Replicate the unexpanded operand; until then keep to a batch of one.
"""

from __future__ import annotations

from collections.abc import Iterator

from adapter_audit.auditor.facts.facts import Facts, Lane, StaticFacts
from adapter_audit.auditor.schema.result import Cause, Confidence, Finding, Invariant, Related, Severity
from adapter_audit.auditor.trace.op_kinds import MOVES
from adapter_audit.auditor.trace.records import Record

from .base import AuditRule, Case


class HoldsOnlyAtBatchOne(AuditRule):
    """Broadcasting hides a missing replication."""

    id, name, invariant = "AA102", "holds-only-at-batch-one", Invariant.MEETING
    severity, confidence = Severity.WARNING, Confidence.CERTAIN
    requires = "meta"
    cases = (
        Case(
            bad=True,
            place="encoder.block.1.layer.0.SelfAttention",
            code="scores += position_bias_masked",
            says="[1, 4, 7, 7] = [B, 4, S, S], which was never replicated",
            severity=Severity.WARNING,
            spec={
                "model": "adapter_audit.auditor.toys:t5",
                "compose": "parallel:2",
                "adapter": "lora[leave_out=[0]]",
                "batch": 1,
            },
            release=">=1.3,<1.4",
        ),
        Case(
            bad=False,
            spec={
                "model": "adapter_audit.auditor.toys:t5",
                "compose": "parallel:2",
                "adapter": "lora",
                "batch": 1,
            },
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        """One finding for each source line; only the caller's B = 1 can broadcast."""
        if facts.static is None or facts.axes.rows != 1 or facts.axes.lanes == 1:
            return
        groups: dict[object, list[tuple[Record, int, int]]] = {}
        for record in facts.static.trace.records:
            pair = _broadcasting_pair(facts.static, record, facts.axes.lanes)
            if pair is not None:
                groups.setdefault(record.site, []).append((record, *pair))
        for group in groups.values():
            yield self._report(facts, facts.static, group)

    def _report(self, facts: Facts, static: StaticFacts, group: list[tuple[Record, int, int]]) -> Finding:
        record, expanded, shared = group[0]
        producer = record.operands[shared].producer
        related = []
        if producer is not None:
            origin = facts.location(static.graph.made_at(producer))
            related = [Related(role="operand-origin", **origin.model_dump())]
        return self.finding(
            "this works only with a batch of one row: "
            f"{facts.operand_text(record, expanded)} is combined with {facts.operand_text(record, shared)}, "
            "which was never replicated and happens to broadcast",
            facts.location(record),
            cause=Cause.BROADCASTS,
            axis=f"batch: {facts.location(record).code}",
            related=related,
            modules=[r.key.module for r, _, _ in group],
            shapes={
                "expanded": facts.operand_text(record, expanded),
                "unexpanded": facts.operand_text(record, shared),
            },
        )


def _broadcasting_pair(static: StaticFacts, record: Record, lanes: int) -> tuple[int, int] | None:
    if record.error or record.key.op in MOVES or len(record.operands) < 2:
        return None
    states = static.trace.operand_lanes(record)
    shapes = [o.shape for o in record.operands]
    for e, state in enumerate(states):
        if state is not Lane.EXPANDED or not shapes[e]:
            continue
        for s, other in enumerate(states):
            same_rank = len(shapes[s]) == len(shapes[e])
            made = record.operands[s].producer is not None
            if made and other is Lane.SHARED and same_rank and shapes[s][0] == 1 and shapes[e][0] == lanes:
                return e, s
    return None
