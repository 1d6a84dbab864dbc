"""AA307 saved-tensor-missing

## What it does
Lists what the base model with this configuration expects, and is not in the file.

## Why is this bad
The library starts these parts anew: with zeros, where the adapter then does nothing, or with random
numbers. One half of a LoRA without the other is the same.

## Example
```text
layers.0.q.lora_A.weight  saved
layers.0.q.lora_B.weight  not saved: starts at zero
```

## Fix
Save the adapter again, with the release that it was trained with; look for targets that were added to the
configuration later.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .saved_rule import FILE, A, B, Case, SavedFacts, SavedRule, Severity, Verdict

if TYPE_CHECKING:
    from adapter_audit.auditor.schema.result import Finding


class SavedTensorMissing(SavedRule):
    """A tensor that the configuration asks for was not saved."""

    id = "AA307"
    name = "saved-tensor-missing"
    severity = Severity.ERROR
    verdict = Verdict.NO_EFFECT
    cases = (
        Case(
            bad=True,
            saved=SavedFacts(FILE, tensors={A: (2, 8)}, expected={A: (2, 8), B: (8, 2)}),
            place=B,
            code=B,
            says="1 of 2 expected tensors were not saved",
            severity=Severity.ERROR,
            verdict=Verdict.NO_EFFECT,
        ),
        Case(
            bad=False,
            saved=SavedFacts(
                FILE, tensors={A: (2, 8)}, expected={A: (2, 8), B: (8, 2)}, optional=frozenset({B})
            ),
        ),
    )

    def check(self, facts: SavedFacts) -> Iterator[Finding]:
        """Yield one finding about all of them."""
        if facts.missing and facts.tensors.keys() - facts.wrapped:
            text = (
                f"{len(facts.missing)} of {len(facts.expected or {})} expected "
                f"tensors were not saved and start anew: {{names}}"
            )
            yield self.about(facts, facts.missing, text)
