"""AA302 saved-target-unmatched

## What it does
Looks for every entry of `target_modules`, `modules_to_save` and `layers_to_transform` among the modules of
the base model.

## Why is this bad
`peft` raises only when *no* target is found. One that is misspelt, or named as in another family of models,
is passed over, and the model is trained without it.

## Example
```json
{"target_modules": ["q_proj", "query"]}
```
A LLaMA has `q_proj`; `query` is of BERT.

## Fix
Name the modules as this base model does; `print(model)` shows them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .saved_rule import FILE, Case, SavedFacts, SavedRule, Severity, Target, Verdict

if TYPE_CHECKING:
    from adapter_audit.auditor.schema.result import Finding


class SavedTargetUnmatched(SavedRule):
    """The configuration names a target that the base model does not have."""

    id = "AA302"
    name = "saved-target-unmatched"
    severity = Severity.ERROR
    verdict = Verdict.NO_EFFECT
    cases = (
        Case(
            bad=True,
            saved=SavedFacts(FILE, targets=(Target("q", ("layers.0.q",)), Target("query", ()))),
            place="query",
            code="query",
            says="target_modules names 'query'",
            severity=Severity.ERROR,
            verdict=Verdict.NO_EFFECT,
        ),
        Case(bad=False, saved=SavedFacts(FILE, targets=(Target("q", ("layers.0.q",)),))),
    )

    def check(self, facts: SavedFacts) -> Iterator[Finding]:
        """Yield one finding about all of them."""
        for target in facts.targets:
            if not target.modules:
                yield self.about(
                    facts,
                    (target.name,),
                    f"{target.where} names {target.name!r}, which the base model does not have",
                )
