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
from adapter_audit.auditor.schema.result import Confidence, Finding, Location, Severity, Verdict

from ._support.values import amount, place_of
from .base import AuditRule, Case


class NotNeutral(AuditRule):
    """A relation between compositions does not hold."""

    id, name, invariant = "AA205", "not-neutral", "neutrality"
    severity, confidence, verdict = Severity.ERROR, Confidence.CONFIRMED, Verdict.WRONG
    requires = "probe"
    cases = (
        Case(
            bad=True,
            spec={"model": "adapter_audit.auditor.toys:bert", "compose": "average(a,b)", "adapter": "seq_bn"},
        ),
        Case(
            bad=True,
            spec={
                "model": "adapter_audit.auditor.toys:bert",
                "compose": "fuse(a,b)",
                "adapter": "seq_bn[use_gating=True]",
            },
        ),
        Case(
            bad=True,
            spec={
                "model": "adapter_audit.auditor.toys:bert",
                "compose": "fuse(a,b)",
                "adapters": {"a": "par_bn", "b": "seq_bn"},
            },
        ),
        Case(
            bad=True,
            spec={
                "model": "adapter_audit.auditor.toys.broken:splits_one_token_late",
                "compose": "split(a,b)",
                "adapter": "seq_bn",
            },
        ),
        Case(
            bad=True,
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
        for item in facts.discrepancies("split"):
            yield self.finding(
                f"{item.subject} are not what the adapter makes of them in this layer: {amount(item)}",
                place_of(facts, item) if item.departure else Location(module=item.output, op="split"),
                axis="tokens",
            )
        for item in facts.discrepancies("neutrality"):
            yield self.finding(
                f"the {item.subject} is not that adapter: {item.output} is {amount(item)}",
                place_of(facts, item) if item.departure else Location(module="", op=item.subject.split()[0]),
                axis=item.subject,
            )
