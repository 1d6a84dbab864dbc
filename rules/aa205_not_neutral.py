"""AA205 not-neutral

## What it does
Holds blocks without a lane-wise reference to relations that must be true: the `Average` of equal adapters
is that adapter, and so are their `Split` and their `Fuse` with an identity for its values; an `Average` that
gives all weight to one child, a `Split` that gives it all tokens, and a `Fuse` that gives it all attention
are that child; so is a block of one child; and in every layer, each part of a `Split` is what its adapter
gives on these tokens.

## Why is this bad
The block computes something else than its name says.

## Example
`adapter-audit bert-base-uncased --compose 'average(a,b)' --adapter ia3`

## Fix
Merge the adapters' weights instead (`average_adapter`), or use another method.
"""

from __future__ import annotations

from collections.abc import Iterator

from adapter_audit.auditor.facts.facts import Facts
from adapter_audit.auditor.probe.checks.block_neutrality import Relation, RelationGap
from adapter_audit.auditor.probe.checks.split_parts import SplitGap
from adapter_audit.auditor.schema.result import (
    Cause,
    Confidence,
    Finding,
    Invariant,
    Location,
    Severity,
    Verdict,
)

from ._support.values import amount, off, place_of
from .base import AuditRule, Case

SHARED = {"average": "weight", "weighted": "weight", "split": "tokens", "fuse": "attention"}
"""What a block shares out among its children."""


class NotNeutral(AuditRule):
    """A relation between compositions does not hold."""

    id, name, invariant = "AA205", "not-neutral", Invariant.NEUTRALITY
    severity, confidence, verdict = Severity.ERROR, Confidence.CONFIRMED, Verdict.WRONG
    requires = "probe"
    reads = (RelationGap, SplitGap)
    cases = (
        Case(
            bad=True,
            place="encoder.layer.0.output",
            code="for s in states], 0) * weights",
            says="the average of equal adapters (average(a,a)) is not that adapter",
            verdict=Verdict.WRONG,
            spec={"model": "adapter_audit.auditor.toys:bert", "compose": "average(a,b)", "adapter": "seq_bn"},
        ),
        Case(
            bad=True,
            place="encoder.layer.0.output",
            code="up_list = torch.stack(",
            says="the fuse of equal adapters (fuse(b,b_copy1)) is not that adapter",
            verdict=Verdict.WRONG,
            spec={
                "model": "adapter_audit.auditor.toys:bert",
                "compose": "fuse(a,b)",
                "adapter": "seq_bn[use_gating=True]",
            },
        ),
        Case(
            bad=True,
            place="encoder.layer.0.output",
            code="hidden_states = hidden_states + input_tensor",
            says="the fuse (fuse(a,b)), all its attention on a, is not that adapter",
            verdict=Verdict.WRONG,
            spec={
                "model": "adapter_audit.auditor.toys:bert",
                "compose": "fuse(a,b)",
                "adapters": {"a": "par_bn", "b": "seq_bn"},
            },
        ),
        Case(
            bad=True,
            place="encoder.layer.0.output",
            code="batch_idx[0] : batch_idx[1]",
            says="tokens 4 to 6 of split(a,b;4,3), which belong to b, are not",
            verdict=Verdict.WRONG,
            times=2,
            spec={
                "model": "adapter_audit.auditor.toys.broken:splits_one_token_late",
                "compose": "split(a,b)",
                "adapter": "seq_bn",
            },
        ),
        Case(
            bad=True,
            place="encoder.layer.0.output",
            code="layer_norm(hidden_states + input_tensor)",
            says="the split (split(a,b;7,0)), all its tokens on one adapter, is not",
            verdict=Verdict.WRONG,
            spec={
                "model": "adapter_audit.auditor.toys:bert",
                "compose": "split(a,b)",
                "adapters": {"a": "seq_bn[original_ln_after=False]", "b": "seq_bn"},
            },
        ),
        Case(
            bad=False,
            spec={"model": "adapter_audit.auditor.toys:bert", "compose": "split(a,b)", "adapter": "seq_bn"},
        ),
        Case(
            bad=False,
            spec={"model": "adapter_audit.auditor.toys:bert", "compose": "fuse(a,b)", "adapter": "seq_bn"},
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        """One finding for each relation."""
        for part in facts.observations(SplitGap):
            (start, end), who = part.tokens, "+".join(part.adapters)
            yield self.finding(
                f"tokens {start} to {end - 1} of {part.split}, which belong to {who}, are "
                f"not what the adapter makes of them in this layer: {off(part.deviation)}",
                place_of(facts, part) if part.departure else Location(module=part.module, op="split"),
                cause=Cause.PART_DEPARTS,
                axis="tokens",
            )
        for gap in facts.observations(RelationGap):
            yield self.finding(
                f"the {_subject(gap)} is not that adapter: {gap.output} is {amount(gap)}",
                place_of(facts, gap) if gap.departure else Location(module="", op=gap.kind or "block"),
                cause=Cause.RELATION_BROKEN,
                axis=": ".join(filter(None, (gap.relation.value, gap.block, gap.adapter))),
            )


def _subject(gap: RelationGap) -> str:
    """The block that should do nothing, in words."""
    if gap.relation is Relation.ONE_CHILD:
        return f"block of one child in {gap.block}"
    if gap.relation is Relation.EQUAL:
        return f"{gap.kind} of equal adapters ({gap.block})"
    return f"{gap.kind} ({gap.block}), all its {SHARED[gap.kind]} on {gap.adapter or 'one adapter'},"
