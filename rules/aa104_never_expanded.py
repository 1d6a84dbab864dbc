"""AA104 never-expanded

## What it does
Reports a `Parallel` whose output does not have N*B rows: no place in the model replicated the batch, or
it was replicated more than once.

## Why is this bad
The caller splits the output by adapter and gets rows of the wrong adapter, or none.

## Example
`adapter-audit bert-base-uncased --compose parallel:2 --adapter prompt_tuning`

## Fix
Use a method that supports Parallel on this model, or run the adapters one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator

from adapter_audit.auditor.facts.facts import Facts
from adapter_audit.auditor.schema.result import (
    Cause,
    Confidence,
    Finding,
    Invariant,
    Location,
    Severity,
    Verdict,
)

from ._support.remedies import one_by_one
from .base import AuditRule, Case


class NeverExpanded(AuditRule):
    """The output has not N*B rows."""

    id, name, invariant = "AA104", "never-expanded", Invariant.EXPANSION
    severity, confidence, verdict = Severity.ERROR, Confidence.CERTAIN, Verdict.WRONG
    requires = "meta"
    cases = (
        Case(
            bad=True,
            code="output",
            says="has 3 rows where 2 adapters on 3 rows give 6",
            verdict=Verdict.WRONG,
            also=("AA201",),
            spec={
                "model": "adapter_audit.auditor.toys:bert",
                "compose": "parallel:2",
                "adapter": "prompt_tuning",
            },
        ),
        Case(
            bad=False,
            spec={"model": "adapter_audit.auditor.toys:bert", "compose": "parallel:2", "adapter": "lora"},
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        """Compare the main output's rows with B and N*B."""
        if facts.static is None or facts.axes.lanes == 1 or facts.static.trace.failures:
            return
        name = facts.static.main_output()
        found = facts.static.given(name or "")
        expected = facts.static.expanded_outputs.get(name or "")
        if not name or not found or not expected or found[0] == expected[0]:
            return
        yield self.finding(
            f"{name} has {found[0]} rows where {facts.axes.lanes} adapters on {facts.axes.rows} rows "
            f"give {expected[0]}: "
            + (
                "no module replicated the batch"
                if found[0] < expected[0]
                else "it was replicated more than once"
            ),
            Location(module="", op="output", shape=found, axes=facts.axes.describe(found)),
            cause=Cause.NOT_EXPANDED,
            axis="batch",
            shapes={"output": f"{list(found)}", "expected": f"{list(expected)}"},
            fixes=one_by_one(facts),
        )
