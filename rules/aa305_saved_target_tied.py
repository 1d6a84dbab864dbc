"""AA305 saved-target-tied

## What it does
Finds targets whose weight is tied to another module's, as the input embedding often is to the output layer.

## Why is this bad
Unmerged, the adapter changes the one module only. Merging writes into the shared weight and so changes
both: the merged model is another one.

## Example
```json
{"target_modules": ["q_proj", "embed_tokens"]}
```
with `tie_word_embeddings: true` in the base model's configuration.

## Fix
Do not merge such an adapter, or untie the weights before (`tie_word_embeddings=False`), or leave the
embedding out of the targets.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .saved_rule import FILE, Case, SavedFacts, SavedRule, Severity, Target, Verdict

if TYPE_CHECKING:
    from adapter_audit.auditor.schema.result import Finding


class SavedTargetTied(SavedRule):
    """An adapter sits on a weight that two modules share."""

    id = "AA305"
    name = "saved-target-tied"
    severity = Severity.WARNING
    verdict = Verdict.COMPATIBLE
    cases = (
        Case(
            bad=True,
            saved=SavedFacts(FILE, targets=(Target("embed", ("embed",)),), tied=(("embed", "head"),)),
            place="embed",
            code="embed",
            says="shares its weight with head",
            severity=Severity.WARNING,
            verdict=Verdict.COMPATIBLE,
        ),
        Case(
            bad=False,
            saved=SavedFacts(FILE, targets=(Target("q", ("layers.0.q",)),), tied=(("embed", "head"),)),
        ),
    )

    def check(self, facts: SavedFacts) -> Iterator[Finding]:
        """Yield one finding about all of them."""
        for group in facts.tied:
            hit = [p for t in facts.targets if t.where == "target_modules" for p in t.modules if p in group]
            others = [path for path in group if path not in hit]
            if hit and others:
                yield self.about(
                    facts,
                    hit,
                    f"{{names}} shares its weight with {', '.join(others)}: merging the adapter changes both",
                )
