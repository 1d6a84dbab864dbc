"""AA306 saved-merge-unclear

## What it does
Finds weights of a whole model beside an adapter, and a model that was saved with its adapters still on it.

## Why is this bad
Weights beside an adapter may be merged already: then the adapter is applied twice. A model saved with its
adapters on has names such as `q_proj.base_layer.weight`, which no plain model takes: `from_pretrained`
fills these layers with random numbers.

## Example
```python
model.merge_and_unload()     # returns the merged model
model.save_pretrained(path)  # but this one was saved
```

## Fix
Save one of both: the adapter alone (`save_pretrained` of the model with adapters), or what
`merge_and_unload()` returns.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .saved_rule import FILE, Case, SavedFacts, SavedRule, Severity, Verdict

if TYPE_CHECKING:
    from adapter_audit.auditor.schema.result import Finding


class SavedMergeUnclear(SavedRule):
    """Merged and unmerged weights are mixed up."""

    id = "AA306"
    name = "saved-merge-unclear"
    severity = Severity.ERROR
    verdict = Verdict.WRONG
    cases = (
        Case(
            bad=True,
            saved=SavedFacts(
                FILE,
                wrapped=("q.base_layer.weight",),
                tensors={"q.base_layer.weight": (8, 8)},
                expected={"q.base_layer.weight": (8, 8)},
            ),
            place="q.base_layer.weight",
            code="q.base_layer.weight",
            says="saved with its adapters on it",
            severity=Severity.ERROR,
            verdict=Verdict.WRONG,
        ),
        Case(bad=False, saved=SavedFacts(FILE, tensors={"q.weight": (8, 8)}, expected={"q.weight": (8, 8)})),
    )

    def check(self, facts: SavedFacts) -> Iterator[Finding]:
        """Yield one finding about all of them."""
        if facts.base_weights:
            text = (
                f"{len(facts.base_weights)} weights of a whole model lie beside "
                f"the adapter: if they are merged, it is applied twice ({{names}})"
            )
            yield self.about(facts, facts.base_weights, text)
        if facts.wrapped:
            text = "the model was saved with its adapters on it, not merged: no plain model takes {names}"
            yield self.about(facts, facts.wrapped, text)
