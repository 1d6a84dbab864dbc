"""AA301 saved-key-unmatched

## What it does
Compares the names of the saved tensors with those that the base model, with the adapter's configuration,
takes.

## Why is this bad
Libraries load what fits and leave out the rest, most of them without a word. The part of the adapter under
the other names is lost: it was trained on another class of model, another release, or renamed.

## Example
```text
base_model.model.layers.0.q.lora_A.weight        taken
base_model.model.model.layers.0.q.lora_A.weight  not: one `model.` too many
```

## Fix
Load it onto the class that it was trained on, or rename the tensors. `--base` names another base model.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .saved_rule import FILE, A, Case, SavedFacts, SavedRule, Severity, Verdict

if TYPE_CHECKING:
    from adapter_audit.auditor.schema.result import Finding


class SavedKeyUnmatched(SavedRule):
    """A saved tensor has no place in the base model."""

    id = "AA301"
    name = "saved-key-unmatched"
    severity = Severity.ERROR
    verdict = Verdict.NO_EFFECT
    cases = (
        Case(
            bad=True,
            saved=SavedFacts(FILE, tensors={"x.lora_A.weight": (2, 8), A: (2, 8)}, expected={A: (2, 8)}),
            place="x.lora_A.weight",
            code="x.lora_A.weight",
            says="1 of 2 saved tensors have no place",
            severity=Severity.ERROR,
            verdict=Verdict.NO_EFFECT,
        ),
        Case(bad=False, saved=SavedFacts(FILE, tensors={A: (2, 8)}, expected={A: (2, 8)})),
    )

    def check(self, facts: SavedFacts) -> Iterator[Finding]:
        """Yield one finding about all of them."""
        if facts.unmatched:
            text = (
                f"{len(facts.unmatched)} of {len(facts.tensors)} saved tensors "
                f"have no place in the base model: {{names}}"
            )
            yield self.about(facts, facts.unmatched, text)
