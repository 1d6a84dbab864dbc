"""AA303 saved-without-effect

## What it does
Reads the last matrix of every module (`lora_B`, `adapter_up`) and reports those that are zero all through.

## Why is this bad
Such a module adds nothing, whatever its other matrix is. A fresh LoRA is like that: it was saved before it
was trained, or its part of the model got no gradient.

## Example
```text
layers.0.q.lora_A.weight  random
layers.0.q.lora_B.weight  all zero: q is as without the adapter
```

## Fix
Train it, or leave the module out of the targets. Audit the training set-up with `--mode train`: AA207 and
AA203 tell why there was no gradient.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .saved_rule import FILE, A, B, Case, SavedFacts, SavedRule, Severity, Verdict

if TYPE_CHECKING:
    from adapter_audit.auditor.schema.result import Finding


class SavedWithoutEffect(SavedRule):
    """A saved module multiplies by zero."""

    id = "AA303"
    name = "saved-without-effect"
    severity = Severity.ERROR
    verdict = Verdict.NO_EFFECT
    cases = (
        Case(
            bad=True,
            saved=SavedFacts(
                FILE,
                tensors={A: (2, 8), B: (8, 2)},
                expected={A: (2, 8), B: (8, 2)},
                modules={B: "layers.0.q"},
                ends=frozenset({B}),
                zero=frozenset({B}),
            ),
            place="layers.0.q",
            code=B,
            says="1 of 1 modules have no effect",
            severity=Severity.ERROR,
            verdict=Verdict.NO_EFFECT,
        ),
        Case(
            bad=False,
            saved=SavedFacts(
                FILE,
                tensors={A: (2, 8), B: (8, 2)},
                expected={A: (2, 8), B: (8, 2)},
                ends=frozenset({B}),
                zero=frozenset({A}),
            ),
        ),
    )

    def check(self, facts: SavedFacts) -> Iterator[Finding]:
        """Yield one finding about all of them."""
        idle = sorted(facts.ends & facts.zero)
        if idle:
            yield self.about(
                facts,
                idle,
                f"{len(idle)} of {len(facts.ends)} modules have no effect, "
                f"their last matrix is zero: {{names}}",
            )
