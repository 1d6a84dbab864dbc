"""AA212 attention-departs

## What it does
Runs the composition with the other attention implementation as well (`eager` for `sdpa`, and the other way
round; with `output_attentions`, where the model cannot be switched), and compares. Models whose two
implementations differ without adapters, and implementations that stop, are left out.

## Why is this bad
The implementation is chosen by the installed torch, the hardware, or a request for attention weights: none of
them should change what the adapters compute.

## Example
`adapter-audit gpt2 --compose 'stack(a)' --adapter prefix_tuning --mask right`: the prefix acts with `eager`,
and not with `sdpa`.

## Fix
Stay with the implementation that was audited: `attn_implementation=` when the model is loaded. Audit the
other one with `--attn`.
"""

from __future__ import annotations

from collections.abc import Iterator

from adapter_audit.auditor.facts.facts import Facts
from adapter_audit.auditor.probe.checks.attention_parity import WEIGHTS, AttentionGap
from adapter_audit.auditor.schema.result import Cause, Confidence, Finding, Invariant, Severity

from ._support.values import amount, place_of
from .base import AuditRule, Case


class AttentionDeparts(AuditRule):
    """The other attention implementation gives something else."""

    id, name, invariant = "AA212", "attention-departs", Invariant.ATTENTION_PARITY
    severity, confidence = Severity.WARNING, Confidence.CONFIRMED
    requires = "probe"
    reads = (AttentionGap,)
    cases = (
        Case(
            bad=True,
            code="output",
            says="with eager attention logits is another one",
            severity=Severity.WARNING,
            spec={
                "model": "adapter_audit.auditor.toys.broken:eager_is_other",
                "compose": "parallel(a,b)",
                "adapter": "seq_bn",
            },
            release=">=1.3",
        ),
        Case(
            bad=False,
            spec={
                "model": "adapter_audit.auditor.toys:bart",
                "compose": "parallel(a,b)",
                "adapter": "seq_bn",
                "mask": "right",
            },
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        """One finding, at the output: there is no twin under another implementation."""
        for gap in facts.observations(AttentionGap):
            asked = gap.implementation == WEIGHTS
            way = WEIGHTS if asked else f"{gap.implementation} attention"
            yield self.finding(
                f"with {way} {gap.output} is another one ({amount(gap)})",
                place_of(facts, gap),
                cause=Cause.ATTENTION_DEPARTS,
                axis=way,
            )
