"""AA105 operation-fails

## What it does
Reports a run of the composition that stops for another reason than lanes that meet or leak: sizes that
differ in another axis, a missing key, an attribute of None.

## Why is this bad
The composition cannot run.

## Example
`adapter-audit meta-llama/Llama-3.1-8B --compose 'stack(a)' --adapter prefix_tuning` with adapters 1.2.0:
the prefix has all heads, the keys only the grouped ones.

## Fix
The finding says whether an adapter alone fails in the same way (then the method does not work on this
model) or only the composition does.
"""

from __future__ import annotations

from collections.abc import Iterator

from adapter_audit.auditor.facts.backward_places import backward_place
from adapter_audit.auditor.facts.facts import Facts, Failure
from adapter_audit.auditor.facts.stop_causes import cause_of
from adapter_audit.auditor.schema.result import (
    Confidence,
    Finding,
    Invariant,
    Location,
    Severity,
    Verdict,
)

from ._support.failures import executed_at, first_stop, is_leak, is_meeting
from ._support.remedies import one_by_one
from .base import AuditRule, Case


class OperationFails(AuditRule):
    """Any other stop."""

    id, name, invariant = "AA105", "operation-fails", Invariant.LANES
    severity, confidence, verdict = Severity.ERROR, Confidence.CERTAIN, Verdict.CRASH
    requires = "config"
    cases = (
        Case(
            bad=True,
            place="toys/broken.py",
            code="torch.linalg.cholesky(",
            says="an adapter alone stops at the same line: _LinAlgError",
            verdict=Verdict.CRASH,
            spec={"model": "adapter_audit.auditor.toys.broken:fails_only_for_real", "compose": "parallel:2"},
        ),
        Case(
            bad=True,
            place="model.layers.0.self_attn.prefix_tuning",
            code="key_states = torch.cat([prefix_keys, state.key_states]",
            says="an adapter alone stops at the same line: RuntimeError: Sizes of tensors",
            verdict=Verdict.CRASH,
            also=("AA204",),
            spec={
                "model": "adapter_audit.auditor.toys:llama",
                "compose": "parallel:2",
                "adapter": "prefix_tuning",
            },
            release=">=1.1.1,<1.3",
        ),
        Case(
            bad=False,
            also=("AA212",),
            spec={
                "model": "adapter_audit.auditor.toys:bert",
                "compose": "parallel:2",
                "adapter": "prefix_tuning",
            },
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        """The first stop that no other rule explains, in the set-up or in the run."""
        stop, confidence = first_stop(facts)
        if facts.setup_failure is not None:
            stop, confidence = facts.setup_failure, Confidence.CONFIRMED
        if stop is None or stop.deliberate or is_meeting(facts, stop) or is_leak(facts, stop):
            return
        yield self.finding(
            f"{_where(facts, stop)}: {stop.kind}: {_first_line(stop.message)}",
            _primary(facts, stop),
            related=executed_at(facts, stop),
            cause=cause_of(stop),
            confidence=confidence,
            shapes=_operands(facts, stop),
            fixes=one_by_one(facts),
        )


def _where(facts: Facts, stop: Failure) -> str:
    if stop is facts.setup_failure:
        return "the set-up fails"
    alone = dict(facts.static.reference_failures) if facts.static else {}
    alone |= dict(facts.probe.reference_failures) if facts.probe else {}
    if facts.axes.lanes > 1 and any(f.site == stop.site for f in alone.values()):
        return "the run stops, and an adapter alone stops at the same line"
    return "the run stops"


def _first_line(message: str) -> str:
    return message.strip().splitlines()[0] if message.strip() else "(no message)"


def _primary(facts: Facts, stop: Failure) -> Location:
    if stop.record is not None and facts.static is not None:
        return facts.location(facts.static.trace.records[stop.record])
    began = backward_place(facts.static.trace, stop) if facts.static is not None else None
    if began is not None:
        return facts.location(began)
    return facts.place(stop.site, stop.module)


def _operands(facts: Facts, stop: Failure) -> dict[str, str]:
    if stop.record is None or facts.static is None:
        return {}
    record = facts.static.trace.records[stop.record]
    return {f"operand {i + 1}": facts.operand_text(record, i) for i in range(len(record.operands))}
