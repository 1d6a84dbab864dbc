"""AA209 padding-dependence

## What it does
Compares rows of a `BatchSplit` or `MultiTask` part in the whole, padded batch with the same rows alone, the
last row of other compositions with the same row alone, and the results before and after other tokens are put
at padded positions.

## Why is this bad
What a row gives depends on how long the other rows are: results differ from run to run with the batches,
with the adapter alone as well.

## Example
`adapter-audit distilbert-base-uncased --compose 'batchsplit(a,b;1,1)' --adapter prefix_tuning --mask right`

## Fix
Put rows of one length into a batch, or use eager attention.
"""

from __future__ import annotations

from collections.abc import Iterator

from adapter_audit.auditor.facts.facts import Facts
from adapter_audit.auditor.probe.checks.masked_tokens import MaskedTokenGap
from adapter_audit.auditor.probe.checks.part_padding import PaddingGap
from adapter_audit.auditor.probe.checks.single_row import SingleRowGap
from adapter_audit.auditor.schema.result import Cause, Confidence, Finding, Invariant, Location, Severity

from ._support.values import amount
from .base import AuditRule, Case


class PaddingDependence(AuditRule):
    """Other rows' padding changes a row."""

    id, name, invariant = "AA209", "padding-dependence", Invariant.PADDING
    severity, confidence = Severity.WARNING, Confidence.CONFIRMED
    requires = "probe"
    reads = (PaddingGap, MaskedTokenGap, SingleRowGap)
    cases = (
        Case(
            bad=True,
            code="padding",
            says="rows of a differ when the other rows are left out",
            severity=Severity.WARNING,
            spec={
                "model": "adapter_audit.auditor.toys.broken:counts_padding",
                "compose": "batchsplit(a,b;2,1)",
                "adapter": "seq_bn",
                "mask": "right",
            },
        ),
        Case(
            bad=True,
            code="padding",
            says="last_hidden_state changes with the tokens at padded positions",
            severity=Severity.WARNING,
            spec={
                "model": "adapter_audit.auditor.toys.broken:sees_padding",
                "compose": "parallel(a,b)",
                "adapter": "seq_bn",
                "mask": "right",
            },
        ),
        Case(
            bad=True,
            code="padding",
            says="of a row changes when the row is alone",
            severity=Severity.WARNING,
            also=("AA201",),
            spec={
                "model": "adapter_audit.auditor.toys.broken:counts_rows",
                "compose": "parallel(a,b)",
                "adapter": "seq_bn",
            },
        ),
        Case(
            bad=False,
            spec={
                "model": "adapter_audit.auditor.toys:gpt2",
                "compose": "parallel(a,b)",
                "adapter": "seq_bn",
                "mask": "left",
            },
        ),
        Case(
            bad=False,
            spec={
                "model": "adapter_audit.auditor.toys:bert",
                "compose": "batchsplit(a,b;2,1)",
                "mask": "right",
            },
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        """The first part whose rows differ."""
        for part in facts.observations(PaddingGap):
            who = "+".join(part.adapters)
            yield self._finding(
                f"rows of {who} differ when the other rows are left out of the batch "
                f"({amount(part)} in {part.output}): padding changes what the adapter does",
                who,
            )
        for gap in facts.observations(MaskedTokenGap):
            what = f"the output {gap.output} changes with the tokens at padded positions"
            yield self._finding(f"{what} ({amount(gap)}); without adapters it does not", "masked")
        for row in facts.observations(SingleRowGap):
            what = f"the output {row.output} of a row changes when the row is alone in the batch"
            yield self._finding(f"{what} ({amount(row)}); without adapters it does not", "alone")

    def _finding(self, message: str, axis: str) -> Finding:
        place = Location(module="", op="padding")
        return self.finding(message, place, cause=Cause.PADDING_COUNTS, axis=axis)
