"""AA101 expanded-meets-shared

## What it does
Finds ops that combine a tensor with N*B rows (expanded by `Parallel`) with one that still has the
caller's B rows, along the batch axis.

## Why is this bad
The op fails for B >= 2, usually far from the place where the second tensor should have been replicated.

## Example
`adapter-audit t5-base --compose parallel:5 --adapter 'lora[leave_out=[0]]'`: the position bias is made in
layer 0 for 3 rows, the scores of layer 1 have 15.

## Fix
Replicate the second operand where the first one was expanded, for example with
`adjust_tensors_for_parallel(expanded, operand)`.
"""

from __future__ import annotations

from collections.abc import Iterator

from adapter_audit.auditor.facts.facts import Facts, Failure, Lane, StaticFacts
from adapter_audit.auditor.schema.result import (
    Cause,
    Confidence,
    Evidence,
    Finding,
    Invariant,
    Location,
    Related,
    Severity,
    Verdict,
)

from ._support.failures import executed_at, first_stop, group_by_site, is_meeting, operand_lanes
from ._support.remedies import one_by_one
from .base import AuditRule, Case


class ExpandedMeetsShared(AuditRule):
    """An expanded operand meets an unexpanded one."""

    id, name, invariant = "AA101", "expanded-meets-shared", Invariant.MEETING
    severity, confidence, verdict = Severity.ERROR, Confidence.CERTAIN, Verdict.CRASH
    requires = "meta"
    cases = (
        Case(
            bad=True,
            place="encoder.layer.0",
            code='states + seen["states"]',
            says="[6, 7, 32] = [N*B, S, 32] against [3, 7, 32] = [B, S, 32]",
            verdict=Verdict.CRASH,
            times=2,
            spec={"model": "adapter_audit.auditor.toys.broken:two_defects", "compose": "parallel:2"},
        ),
        Case(
            bad=True,
            place="encoder.block.1.layer.0.SelfAttention",
            code="scores += position_bias_masked",
            says="meets one that was never replicated: [6, 4, 7, 7]",
            verdict=Verdict.CRASH,
            spec={
                "model": "adapter_audit.auditor.toys:t5",
                "compose": "parallel:2",
                "adapter": "lora[leave_out=[0]]",
            },
            release=">=1.3,<1.4",
        ),
        Case(
            bad=False,
            spec={"model": "adapter_audit.auditor.toys:t5", "compose": "parallel:2", "adapter": "seq_bn"},
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        """One finding for each source line at which such a meeting failed."""
        stop, confidence = first_stop(facts)
        if facts.static is None or stop is None:
            return
        meetings = [f for f in facts.static.trace.failures if is_meeting(facts, f)]
        for group in group_by_site(meetings):
            yield self._report(
                facts, facts.static, group, confidence if group[0] is stop else self.confidence
            )

    def _report(
        self, facts: Facts, static: StaticFacts, group: list[Failure], confidence: Confidence
    ) -> Finding:
        failure = group[0]
        record = static.trace.records[failure.record or 0]
        lanes = operand_lanes(facts, failure)
        expanded, shared = lanes.index(Lane.EXPANDED), lanes.index(Lane.SHARED)
        shapes = {
            "expanded": facts.operand_text(record, expanded),
            "unexpanded": facts.operand_text(record, shared),
        }
        related = [
            *_related(facts, static, record.operands[shared].producer, "operand-origin"),
            *_related(facts, static, record.operands[expanded].producer, "expanded-at"),
        ]
        return self.finding(
            f"a tensor with the lanes of {facts.axes.lanes} adapters meets one that was never replicated: "
            f"{shapes['expanded']} against {shapes['unexpanded']}",
            facts.location(record),
            axis=f"batch: {facts.location(record).code}",
            related=[*related, *executed_at(facts, failure)],
            evidence=_chain(related, facts.location(record)),
            shapes=shapes,
            modules=[f.module for f in group],
            cause=Cause.OPERANDS_MEET,
            confidence=confidence,
            fixes=one_by_one(facts),
        )


def _related(facts: Facts, static: StaticFacts, producer: int | None, role: str) -> list[Related]:
    if producer is None:
        return []
    graph = static.graph
    found = graph.made_at(producer) if role == "operand-origin" else graph.expanded_at(producer)
    return [Related(role=role, **facts.location(found).model_dump())] if found is not None else []  # type: ignore[arg-type]


def _chain(related: list[Related], meeting: Location) -> list[Evidence]:
    words = {
        "operand-origin": "made here with the caller's B rows, and not replicated afterwards",
        "expanded-at": "the other operand became N*B rows here",
    }
    ordered = sorted(related, key=lambda r: r.node or 0)
    steps = [
        Evidence(text=words[r.role], location=Location(**r.model_dump(exclude={"role"}))) for r in ordered
    ]
    return [*steps, Evidence(text="the two meet here", location=meeting)]
