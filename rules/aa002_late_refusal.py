"""AA002 late-refusal

## What it does
Reports a refusal on purpose that only comes during the forward pass, or that says nothing but the name
of an exception.

## Why is this bad
The set-up is accepted, training is started, and the message arrives hours later on the GPU, or it does
not tell what is unsupported and what would work instead.

## Example
`adapter-audit bert-base-uncased --compose 'fuse(a,b)' --adapter lora` (a bare NotImplementedError)

## Fix
In the library: check when the adapters are activated and say what is unsupported. For a user: change the
composition as the finding suggests.
"""

from __future__ import annotations

from collections.abc import Iterator

from adapter_audit.auditor.facts.facts import Facts, Failure
from adapter_audit.auditor.schema.result import Cause, Confidence, Finding, Invariant, Severity, Verdict

from ._support.failures import executed_at, first_stop
from ._support.refusals import instead
from ._support.remedies import one_by_one
from .base import AuditRule, Case


class LateRefusal(AuditRule):
    """A refusal on purpose, in the forward pass."""

    id, name, invariant = "AA002", "late-refusal", Invariant.REFUSAL
    severity, confidence, verdict = Severity.ERROR, Confidence.CERTAIN, Verdict.REFUSED
    requires = "meta"
    cases = (
        Case(
            bad=True,
            place="encoder.layer.0.attention.self.query",
            code="raise NotImplementedError()",
            says="the library refuses fuse(a,b) only in the forward pass",
            verdict=Verdict.REFUSED,
            spec={"model": "adapter_audit.auditor.toys:bert", "compose": "fuse(a,b)", "adapter": "lora"},
        ),
        Case(
            bad=False,
            spec={"model": "adapter_audit.auditor.toys:bert", "compose": "fuse(a,b)", "adapter": "seq_bn"},
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        """The first stop of the run is a `raise` of the library."""
        failure, confidence = first_stop(facts)
        if failure is None or not failure.deliberate:
            return
        yield self.finding(
            f"the library refuses {facts.tree} only in the forward pass: {_words(failure)}",
            facts.place(failure.site, failure.module),
            related=executed_at(facts, failure),
            cause=Cause.REFUSED,
            confidence=confidence,
            fixes=(*one_by_one(facts), *instead(facts)),
        )


def _words(failure: Failure) -> str:
    if failure.message.strip():
        return f"{failure.kind}: {failure.message.strip()}"
    return f"a bare {failure.kind} that does not say what is unsupported or what would work"
