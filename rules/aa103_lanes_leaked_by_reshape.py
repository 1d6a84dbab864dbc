"""AA103 lanes-leaked-by-reshape

## What it does
Finds reshapes that were written for the caller's B rows and are given N*B: the lanes move into another
axis (`view(batch_size, -1, heads, dim)` folds them into the sequence), or the reshape fails.

## Why is this bad
The crash comes many lines later, where the folded tensor meets one that was not folded. If nothing
happens to object, lanes are mixed and the result is silently wrong.

## Example
`adapter-audit google/flan-t5-base --compose parallel:5` with adapters 1.0.0 (issue 744): the cause is the
`view` with a batch size read before the expansion, the crash is `scores += position_bias_masked`.

## Fix
Read the batch size from the tensor that is reshaped, after it was expanded:
`states.view(states.shape[0], -1, heads, dim)`.
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
from adapter_audit.auditor.trace.records import Record

from ._support.failures import executed_at, first_stop, is_leak, operand_lanes
from ._support.remedies import one_by_one
from .base import AuditRule, Case


class LanesLeakedByReshape(AuditRule):
    """Lanes leave the batch axis."""

    id, name, invariant = "AA103", "lanes-leaked-by-reshape", Invariant.LEAK
    severity, confidence, verdict = Severity.ERROR, Confidence.CERTAIN, Verdict.CRASH
    requires = "meta"
    cases = (
        Case(
            bad=True,
            place="encoder.block.0.layer.0.SelfAttention",
            code="return states.view(batch_size, -1, self.n_heads",
            says="it gives [3, 14, 4, 8] = [B, N*S, 4, 8], expected [N*B, S, 4, 8]",
            verdict=Verdict.CRASH,
            times=2,
            also=("AA210",),
            spec={"model": "adapter_audit.auditor.toys:t5", "compose": "parallel:2"},
            release="<1.0.1",
        ),
        Case(
            bad=True,
            place="model.encoder.layers.0.self_attn",
            code="query_states = self.q_proj(hidden_states).view(bsz, -1,",
            says="it gives [3, 14, 4, 8] = [B, N*S, 4, 8], expected [N*B, S, 4, 8]",
            verdict=Verdict.CRASH,
            times=3,
            spec={"model": "adapter_audit.auditor.toys:mbart", "compose": "parallel:2"},
            release=">=1.3,<1.4",
        ),
        Case(
            bad=False,
            spec={"model": "adapter_audit.auditor.toys:t5", "compose": "parallel:2"},
            release=">=1.3,<1.4",
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        """One finding for each source line at which lanes leaked."""
        if facts.static is None or facts.axes.lanes == 1:
            return
        groups: dict[object, list[Record]] = {}
        for root in _roots(facts, facts.static):
            groups.setdefault(root.site, []).append(root)
        for roots in groups.values():
            finding = self._report(facts, facts.static, roots)
            if finding is not None:
                yield finding

    def _report(self, facts: Facts, static: StaticFacts, roots: list[Record]) -> Finding | None:
        root = roots[0]
        stop, confidence = first_stop(facts)
        symptom = _symptom(static, roots)
        if stop is None and (facts.probe is not None or not _reaches_output(static, root)):
            return None
        related: list[Related] = []
        if symptom is not None and symptom.record is not None and symptom.record != root.index:
            record = static.trace.records[symptom.record]
            related.append(Related(role="symptom", **facts.location(record).model_dump()))
        producer = root.operands[0].producer if root.operands else None
        start = static.graph.expanded_at(producer) if producer is not None else None
        if start is not None:
            related.append(Related(role="expanded-at", **facts.location(start).model_dump()))
        chain = _chain(facts, root, related)
        if symptom is not None:
            related += executed_at(facts, symptom)
        return self.finding(
            _message(facts, root, symptom),
            facts.location(root),
            cause=Cause.LANES_LEAK,
            axis=f"batch: {facts.location(root).code}",
            related=related,
            evidence=chain,
            shapes=_shapes(facts, static, root, symptom),
            modules=[r.key.module for r in roots],
            verdict=Verdict.CRASH if stop is not None else Verdict.WRONG,
            confidence=confidence if symptom is not None and symptom is stop else self.confidence,
            fixes=one_by_one(facts),
        )


def _roots(facts: Facts, static: StaticFacts) -> list[Record]:
    """Where lanes leak: on the way to a failure, failing reshapes themselves, and quiet leaks."""
    failing = [
        static.trace.records[f.record]
        for f in static.trace.failures
        if f.record is not None and is_leak(facts, f) and Lane.LEAKED not in operand_lanes(facts, f)
    ]
    leaked = [r.index for r in static.trace.records if r.lane is Lane.LEAKED]
    return (
        sorted([*failing, *static.graph.leak_roots(leaked)], key=lambda r: r.index)
        if leaked or failing
        else []
    )


def _symptom(static: StaticFacts, roots: list[Record]) -> Failure | None:
    """The first failure that depends on one of the roots."""
    indices = {r.index for r in roots}
    for failure in static.trace.failures:
        if failure.record is not None and indices & static.graph.ancestors(failure.record):
            return failure
    return None


def _reaches_output(static: StaticFacts, root: Record) -> bool:
    last = len(static.trace.records) - 1
    return any(i >= last - 2 for i in static.graph.descendants(root.index))


def _message(facts: Facts, root: Record, symptom: Failure | None) -> str:
    got = facts.axes.describe(root.shape, root.twin, root.twin_expanded)
    wanted = facts.axes.describe(root.twin_expanded or (), root.twin, root.twin_expanded)
    if root.error:
        return (
            "the reshape was written for the caller's B rows and fails on the expanded tensor; "
            f"it should give {wanted}"
        )
    text = (
        "the reshape moves the lanes out of the batch axis: "
        f"it gives {list(root.shape)} = {got}, expected {wanted}"
    )
    return text if symptom is not None else f"{text}; nothing objects later, so lanes are mixed silently"


def _shapes(facts: Facts, static: StaticFacts, root: Record, symptom: Failure | None) -> dict[str, str]:
    shapes = {
        "reshaped": f"{list(root.shape)} = {facts.axes.describe(root.shape, root.twin, root.twin_expanded)}"
    }
    if root.twin_expanded:
        shapes["expected"] = str(list(root.twin_expanded))
    if symptom is not None and symptom.record is not None and symptom.record != root.index:
        record = static.trace.records[symptom.record]
        for i in range(len(record.operands)):
            shapes[f"operand {i + 1} at the symptom"] = facts.operand_text(record, i)
        query_key = _products(static, record)
        shapes |= {f"{role}": f"{list(shape)}" for role, shape in query_key.items()}
    return shapes


def _products(static: StaticFacts, record: Record) -> dict[str, tuple[int, ...]]:
    """For attention scores at the symptom: the two factors they were made of, before batching."""
    names = ("query", "key")
    for operand in record.operands:
        if operand.producer is None:
            continue
        made = static.graph.made_at(operand.producer)
        if "bmm" in made.key.op or "matmul" in made.key.op:
            factors = [_unbatched(static, o.producer, o.shape) for o in made.operands[:2]]
            return dict(zip(names, _untransposed(factors), strict=False))
    return {}


def _unbatched(static: StaticFacts, producer: int | None, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The 4-d tensor behind the [batch*heads, ...] one of a batched product."""
    while producer is not None:
        record = static.trace.records[producer]
        if len(record.shape) == 4:
            return record.shape
        producer = record.operands[0].producer if record.operands else None
    return shape


def _untransposed(factors: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """The key as it was before its last two axes were swapped for the product."""
    if len(factors) == 2 and len(factors[1]) >= 2 and factors[0][-1] == factors[1][-2]:
        *front, depth, length = factors[1]
        return [factors[0], (*front, length, depth)]
    return factors


def _chain(facts: Facts, root: Record, related: list[Related]) -> list[Evidence]:
    by_role = {r.role: r for r in related}
    steps = []
    if "expanded-at" in by_role:
        steps.append(
            Evidence(text="the tensor became N*B rows here", location=_plain(by_role["expanded-at"]))
        )
    steps.append(Evidence(text="this reshape was written for B rows", location=facts.location(root)))
    if "symptom" in by_role:
        steps.append(Evidence(text="the crash shows up here", location=_plain(by_role["symptom"])))
    return steps


def _plain(related: Related) -> Location:
    return Location(**related.model_dump(exclude={"role"}))
