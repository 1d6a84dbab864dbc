"""AA207 gradient-departs

## What it does
In train mode, compares the gradients of every adapter's parameters with those of training it alone on
its rows; with `labels`, those of the model's own loss with those of the rows' losses alone; and under
gradient checkpointing, with those without it.

## Why is this bad
The forward pass is right and the adapters learn something else, or nothing.

## Example
`adapter-audit bert-base-uncased --compose parallel:2 --mode train`

## Fix
Train the adapters one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator

from adapter_audit.auditor.facts.facts import Facts
from adapter_audit.auditor.facts.observations import ParameterGap
from adapter_audit.auditor.probe.checks.checkpointing_parity import CheckpointingGap
from adapter_audit.auditor.probe.checks.gradient_parity import GradientGap
from adapter_audit.auditor.probe.checks.loss_gradient_parity import LossGradientGap
from adapter_audit.auditor.schema.result import (
    Cause,
    Confidence,
    Finding,
    Invariant,
    Location,
    Severity,
    Verdict,
)

from ._support.values import off
from .base import AuditRule, Case


class GradientDeparts(AuditRule):
    """An adapter does not get its own gradient."""

    id, name, invariant = "AA207", "gradient-departs", Invariant.LANES
    severity, confidence, verdict = Severity.ERROR, Confidence.CONFIRMED, Verdict.WRONG
    requires = "probe"
    reads = (GradientGap, LossGradientGap, CheckpointingGap)
    cases = (
        Case(
            bad=True,
            place="encoder.layer.1.attention.self.value.loras.a.lora_B",
            code="backward",
            says="is not that of training its adapter alone (off by 0.5 ",
            verdict=Verdict.WRONG,
            spec={
                "model": "adapter_audit.auditor.toys.broken:halves_gradients",
                "compose": "parallel:2",
                "mode": "train",
            },
        ),
        Case(
            bad=True,
            place="transformer.h.1.output_adapters.adapters.b.adapter_up.bias",
            code="backward",
            says="is not what the losses of the rows alone give",
            verdict=Verdict.WRONG,
            spec={
                "model": "adapter_audit.auditor.toys.broken:learns_from_first_rows",
                "compose": "batchsplit(a,b;1,2)",
                "mode": "train",
                "inputs": ["labels"],
                "adapter": "seq_bn",
            },
        ),
        Case(
            bad=True,
            place="encoder.layer.0.attention.self.value.loras.a.lora_A",
            code="backward",
            says="is another one than without gradient checkpointing",
            verdict=Verdict.WRONG,
            spec={
                "model": "adapter_audit.auditor.toys.broken:recomputes_otherwise",
                "compose": "stack(a)",
                "mode": "train",
                "gradient_checkpointing": True,
            },
        ),
        Case(
            bad=False,
            spec={
                "model": "adapter_audit.auditor.toys:bart",
                "compose": "batchsplit(a,b;1,2)",
                "mode": "train",
                "inputs": ["labels"],
            },
        ),
        Case(
            bad=False,
            spec={
                "model": "adapter_audit.auditor.toys:bert",
                "compose": "parallel(a,b)",
                "mode": "train",
                "gradient_checkpointing": True,
            },
        ),
        Case(
            bad=False,
            spec={"model": "adapter_audit.auditor.toys:bert", "compose": "parallel:2", "mode": "train"},
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        """The worst parameter of each comparison."""
        for gap in facts.observations(GradientGap, LossGradientGap, CheckpointingGap):
            yield self.finding(
                f"the gradient of {gap.parameter} is {_words(gap)}",
                Location(module=gap.parameter, op="backward"),
                cause=Cause.GRADIENT_DEPARTS,
                axis="gradient",
            )


def _words(gap: ParameterGap) -> str:
    if isinstance(gap, LossGradientGap):
        return "not what the losses of the rows alone give"
    if isinstance(gap, CheckpointingGap):
        return "another one than without gradient checkpointing"
    return f"not that of training its adapter alone ({off(gap.deviation)})"
