"""AA304 saved-shape-departs

## What it does
Compares the shape of every saved tensor with what follows from the base model's weight and the
configuration (`r`, `rank_pattern`, reduction factors).

## Why is this bad
Loading stops with a size mismatch, or leaves the tensor out. The base model has another width than the one
it was trained on, or the configuration was edited.

## Example
```text
lora_A.weight  [8, 4096]  the base model's layer takes 2048 inputs: [8, 2048] expected
```

## Fix
Use the base model of the training, and the `adapter_config.json` that was saved with the tensors.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .saved_rule import FILE, A, Case, SavedFacts, SavedRule, Severity, Verdict

if TYPE_CHECKING:
    from adapter_audit.auditor.schema.result import Finding


class SavedShapeDeparts(SavedRule):
    """A saved tensor has another shape than the base model takes."""

    id = "AA304"
    name = "saved-shape-departs"
    severity = Severity.ERROR
    verdict = Verdict.CRASH
    cases = (
        Case(
            bad=True,
            saved=SavedFacts(FILE, tensors={A: (2, 9)}, expected={A: (2, 8)}, modules={A: "layers.0.q"}),
            place="layers.0.q",
            code=A,
            says="the first is [2, 9] where [2, 8] is expected",
            severity=Severity.ERROR,
            verdict=Verdict.CRASH,
        ),
        Case(bad=False, saved=SavedFacts(FILE, tensors={A: (2, 8)}, expected={A: (2, 8)})),
    )

    def check(self, facts: SavedFacts) -> Iterator[Finding]:
        """Yield one finding about all of them."""
        takes = facts.expected or {}
        other = sorted(n for n, shape in facts.tensors.items() if n in takes and takes[n] != shape)
        if other:
            first = f"{list(facts.tensors[other[0]])} where {list(takes[other[0]])} is expected"
            shapes = {
                name: f"{list(facts.tensors[name])}, expected {list(takes[name])}" for name in other[:8]
            }
            yield self.about(
                facts,
                other,
                f"{len(other)} saved tensors have another shape: {{names}}; the first is {first}",
                shapes,
            )
