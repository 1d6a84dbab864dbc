"""AA221 unknown-name-accepted

## What it does
Names an adapter in the call that is not there, and reports a call that runs all the same.

## Why is this bad
A mistyped name gives the rows of no adapter, or of another one, without a word.

## Example
`adapter-audit bert-base-uncased --library peft --compose 'mixed(a,b)'` with peft 0.13.2.

## Fix
Check the names yourself before the call, or take a release that does.
"""

from __future__ import annotations

from collections.abc import Iterator

from adapter_audit.auditor.facts.facts import Facts
from adapter_audit.auditor.probe.checks.call_arguments import IgnoredArgument, UnknownName
from adapter_audit.auditor.schema.result import Cause, Confidence, Finding, Invariant, Severity

from ._support.values import place_of
from .base import AuditRule, Case


class UnknownNameAccepted(AuditRule):
    """A name that no adapter has is no error."""

    id, name, invariant = "AA221", "unknown-name-accepted", Invariant.REFUSAL
    severity, confidence = Severity.WARNING, Confidence.CONFIRMED
    requires = "probe"
    reads = (UnknownName,)
    cases = (
        Case(
            bad=True,
            place="peft/peft_model.py",
            code="if k not in self.special_peft_forward_args",
            says="a name that no adapter has is accepted in `adapter_names`",
            severity=Severity.WARNING,
            spec={"model": "adapter_audit.auditor.toys:bert", "library": "peft", "compose": "mixed(a,b)"},
            release="<0.14",
        ),
        Case(
            bad=False,
            spec={"model": "adapter_audit.auditor.toys:bert", "library": "peft", "compose": "mixed(a,b)"},
            release=">=0.17",
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        """Where the argument is read at all: AA220 reports one that is not."""
        ignored = {item.argument for item in facts.observations(IgnoredArgument)}
        for item in facts.observations(UnknownName):
            if item.argument not in ignored:
                yield self.finding(
                    f"a name that no adapter has is accepted in `{item.argument}` (tried with {item.name!r})",
                    place_of(facts, item),
                    cause=Cause.STRANGER_ACCEPTED,
                    axis=f"argument: {item.argument}",
                )
