"""AA308 saved-not-finite

## What it does
Looks for NaN and infinity in the tensors of the adapter.

## Why is this bad
Every row that passes such a module is NaN from there on. It comes of training that diverged, or of a cast
to float16.

## Example
```text
layers.0.q.lora_A.weight  nan at [0, 3]
```

## Fix
Go back to an earlier checkpoint, and train in bfloat16 or float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .saved_rule import FILE, A, Case, SavedFacts, SavedRule, Severity, Verdict

if TYPE_CHECKING:
    from adapter_audit.auditor.schema.result import Finding


class SavedNotFinite(SavedRule):
    """A saved tensor has numbers that are not finite."""

    id = "AA308"
    name = "saved-not-finite"
    severity = Severity.ERROR
    verdict = Verdict.WRONG
    cases = (
        Case(
            bad=True,
            saved=SavedFacts(
                FILE,
                tensors={A: (2, 8)},
                expected={A: (2, 8)},
                modules={A: "layers.0.q"},
                not_finite=frozenset({A}),
            ),
            place="layers.0.q",
            code=A,
            says="1 of 1 saved tensors are not finite",
            severity=Severity.ERROR,
            verdict=Verdict.WRONG,
        ),
        Case(bad=False, saved=SavedFacts(FILE, tensors={A: (2, 8)}, expected={A: (2, 8)})),
    )

    def check(self, facts: SavedFacts) -> Iterator[Finding]:
        """Yield one finding about all of them."""
        if facts.not_finite:
            text = f"{len(facts.not_finite)} of {len(facts.tensors)} saved tensors are not finite: {{names}}"
            yield self.about(facts, sorted(facts.not_finite), text)
