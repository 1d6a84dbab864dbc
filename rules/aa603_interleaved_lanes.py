"""AA603 interleaved-lanes

## What it does
Finds `repeat_interleave` along the batch, and `expand`, with a number of lanes (`parallel_channels`,
`len(adapter_setup)`, `x.shape[0] // y.shape[0]`).

## Why is this bad
Lanes are ordered lane by lane: rows 0 to B-1 belong to the first adapter. `repeat_interleave` puts the
copies of a row side by side, so that rows meet the adapter of another lane: the shapes fit and the values are
wrong. `expand` of dim 0 works for a single row only, and expanding a new dim 1 interleaves like
`repeat_interleave`.

## Example
```python
mask = mask.repeat_interleave(hidden_states.shape[0] // mask.shape[0], dim=0)  # AA603
```

## Fix
Use `repeat`, which is what `--fix` writes, or `adjust_tensors_for_parallel(hidden_states, mask)`:
```python
mask = mask.repeat(n, *[1] * (mask.dim() - 1))
```
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .base import Case
from .source_rule import Confidence, Edit, Flaw, Severity, SourceRule, Verdict

if TYPE_CHECKING:
    from adapter_audit.auditor.lint.events import Interleaving
    from adapter_audit.auditor.lint.source_file import SourceFile

_LAYER = """
class ToyLayerWithAdapters(ToyLayerAdaptersMixin, ToyLayer):
    def forward(self, hidden_states, mask):
        n = hidden_states.shape[0] // mask.shape[0]
        mask = {expression}
        return self.attention(hidden_states, mask)
"""


class InterleavedLanes(SourceRule):
    """A replication in an order that is not that of the lanes."""

    id = "AA603"
    name = "interleaved-lanes"
    severity = Severity.ERROR
    confidence = Confidence.LIKELY
    verdict = Verdict.WRONG
    cases = (
        Case(
            bad=True,
            code="mask.repeat_interleave(n, dim=0)",
            says="side by side; lanes need `repeat`",
            source=_LAYER.format(expression="mask.repeat_interleave(n, dim=0)"),
        ),
        Case(
            bad=True,
            code="torch.repeat_interleave(mask, n, dim=0)",
            says="side by side; lanes need `repeat`",
            source=_LAYER.format(expression="torch.repeat_interleave(mask, n, dim=0)"),
        ),
        Case(
            bad=True,
            code="mask.unsqueeze(1).expand(",
            says="does not lay the rows of `mask.unsqueeze(1)` out",
            source=_LAYER.format(expression="mask.unsqueeze(1).expand(-1, n, -1).reshape(-1, 8)"),
        ),
        Case(
            bad=True,
            code="mask.expand(n, -1)",
            says="does not lay the rows of `mask` out",
            source=_LAYER.format(expression="mask.expand(n, -1)"),
        ),
        Case(bad=False, source=_LAYER.format(expression="mask.repeat(n, 1)")),
        Case(bad=False, source=_LAYER.format(expression="mask.repeat_interleave(2, dim=1)")),
        Case(
            bad=False, source=_LAYER.format(expression="mask.unsqueeze(0).expand(n, -1, -1).reshape(-1, 8)")
        ),
    )

    def check(self, source: SourceFile) -> Iterator[Flaw]:
        """Yield a flaw for every replication in the wrong order."""
        for position, event in source.flow.interleavings.items():
            yield self.flaw(source, position, _message(event), edits=_edits(source, event))


def _message(event: Interleaving) -> str:
    what = ast.unparse(event.tensor_node)
    if event.method == "repeat_interleave":
        return (
            f"`repeat_interleave` puts the copies of each row of `{what}` side by side; lanes need `repeat`"
        )
    return (
        f"`expand` with the number of lanes does not lay the rows of `{what}` out lane by lane; use `repeat`"
    )


def _edits(source: SourceFile, event: Interleaving) -> tuple[Edit, ...]:
    """`x.repeat_interleave(n, dim=0)` becomes `x.repeat(n, *[1] * (x.dim() - 1))` where x is a name."""
    call, tensor = event.call, event.tensor_node
    is_method = isinstance(call.func, ast.Attribute) and call.func.value is tensor
    if (
        event.method != "repeat_interleave"
        or not is_method
        or not isinstance(tensor, ast.Name)
        or not call.args
    ):
        return ()
    count = source.segment(call.args[0])
    return (Edit.of(call, f"{tensor.id}.repeat({count}, *[1] * ({tensor.id}.dim() - 1))"),)
