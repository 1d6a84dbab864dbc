"""AA001 declared-unsupported

## What it does
Reports a composition that the library itself refuses on purpose while it is being set up: a block that
the model type does not support, a nesting that is not allowed, a method that the model has no place for.

## Why is this bad
The composition cannot run in this release, whatever the weights are.

## Example
`adapter-audit bert-base-uncased --compose 'parallel(fuse(a,b),c)'`

## Fix
Use a block or a nesting that is supported: the finding names what the library allows.
"""

from __future__ import annotations

from collections.abc import Iterator

from adapter_audit.auditor.facts.facts import Facts
from adapter_audit.auditor.schema.result import Cause, Confidence, Finding, Invariant, Severity, Verdict

from ._support.refusals import instead
from ._support.remedies import one_by_one
from .base import AuditRule, Case


class DeclaredUnsupported(AuditRule):
    """A refusal on purpose, at set-up."""

    id, name, invariant = "AA001", "declared-unsupported", Invariant.DECLARED
    severity, confidence, verdict = Severity.ERROR, Confidence.CONFIRMED, Verdict.REFUSED
    requires = "config"
    cases = (
        Case(
            bad=True,
            place="adapters/composition.py",
            code="raise ValueError(",
            says="Cannot nest Fuse[a, b] in Parallel",
            verdict=Verdict.REFUSED,
            spec={
                "model": "adapter_audit.auditor.toys:bert",
                "compose": "parallel(fuse(a,b),c)",
                "adapter": "seq_bn",
            },
        ),
        Case(
            bad=False,
            spec={
                "model": "adapter_audit.auditor.toys:bert",
                "compose": "parallel(a,b)",
                "adapter": "seq_bn",
            },
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        """The set-up ended in a `raise` of the library."""
        failure = facts.setup_failure
        if failure is not None and failure.deliberate:
            yield self.finding(
                f"the library refuses {facts.tree}: {failure.message or failure.kind}",
                facts.place(failure.site, failure.module),
                cause=Cause.REFUSED,
                fixes=(*one_by_one(facts), *instead(facts)),
            )
