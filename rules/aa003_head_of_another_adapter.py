"""AA003 head-of-another-adapter

## What it does
Reports a prediction head that is active for the rows of one adapter and has the name of another one of the
composition, whose rows it does not serve.

## Why is this bad
The library pairs adapters and heads by their names, and `set_active_adapters` activates the right ones.
`active_head` overrides that by position: two names in another order, and every lane is read by a head that
was trained on another task. Nothing fails, and the shapes are right.

## Example
`model.set_active_adapters(Parallel("a", "b"))`, then `model.active_head = ["b", "a"]`

## Fix
Leave `active_head` alone, or give the heads in the order of the adapters. A head that several adapters share
needs a name that no adapter has.
"""

from __future__ import annotations

from collections.abc import Iterator

from adapter_audit.auditor.facts.facts import Facts
from adapter_audit.auditor.schema.composition import adapter_names
from adapter_audit.auditor.schema.references import Reference, references
from adapter_audit.auditor.schema.result import (
    Cause,
    Confidence,
    Finding,
    Invariant,
    Location,
    Severity,
    Verdict,
)

from .base import AuditRule, Case

_TWO = {
    "model": "adapter_audit.auditor.toys:bert_with_heads",
    "compose": "parallel(a,b)",
    "heads": {"a": "classification", "b": "classification[num_labels=3]"},
}


class HeadOfAnotherAdapter(AuditRule):
    """Heads and adapters, paired otherwise than by their names."""

    id, name, invariant = "AA003", "head-of-another-adapter", Invariant.DECLARED
    severity, confidence, verdict = Severity.ERROR, Confidence.LIKELY, Verdict.WRONG
    requires = "config"
    cases = (
        Case(
            bad=True,
            place="heads.b",
            code="head",
            says="head b serves the rows of a, head a serves the rows of b",
            verdict=Verdict.WRONG,
            spec={**_TWO, "active_head": ["b", "a"]},
        ),
        Case(bad=False, spec=_TWO),
        Case(bad=False, spec={**_TWO, "compose": "stack(a,b)", "active_head": ["a", "b"]}),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        """One finding for all heads that are not where their names belong."""
        if facts.heads is None or len(facts.heads.names) < 2:
            return  # one head for all rows is asked for on purpose
        parts = references(facts.tree, facts.axes.rows, heads=facts.heads)
        strays = [part for part in parts if _is_astray(part, facts.names)]
        if strays:
            pairs = dict.fromkeys((part.head, adapter_names(part.tree)) for part in strays)
            yield self.finding(
                ", ".join(f"head {head} serves the rows of {'+'.join(own)}" for head, own in pairs),
                Location(module=f"heads.{strays[0].head}", op="head"),
                cause=Cause.HEAD_ASTRAY,
                lanes=sorted({part.lane for part in strays}),
            )


def _is_astray(part: Reference, names: tuple[str, ...]) -> bool:
    """Whether it is read by a head with the name of an adapter that is not in it."""
    return part.head in names and part.head not in adapter_names(part.tree)
