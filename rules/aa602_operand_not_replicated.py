"""AA602 operand-not-replicated

## What it does
In a function that replicates tensors for the lanes (it calls `adjust_tensors_for_parallel`,
`match_attn_matrices_for_parallel`, `repeat` or an adapter layer), finds an argument (a mask, a bias,
position embeddings, a residual) that is combined with a tensor whose rows may have been replicated, and was
not replicated itself on at least one path.

## Why is this bad
With `Parallel` the one operand has N * B rows and the other B. That fails, or, for B = 1, works only because
one row broadcasts, so that tests with a single example pass.

## Example
```python
query, key = apply_rotary_pos_emb(query, key, cos, sin)  # AA602 if cos and sin have the caller's rows
```

## Fix
Replicate the operand beside the others, before they meet:
```python
cos, sin = adjust_tensors_for_parallel(query, cos, sin)
```
If the first dimension of the argument is never the batch, say so:
`# adapter-audit: ignore[AA602] one row for all`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .base import Case
from .source_rule import Confidence, Flaw, Severity, SourceRule, Verdict

if TYPE_CHECKING:
    from adapter_audit.auditor.lint.events import Meeting
    from adapter_audit.auditor.lint.source_file import SourceFile

_ATTENTION = """
class ToyAttentionWithAdapters(ToyAttentionAdaptersMixin, ToyAttention):
    def forward(self, hidden_states, mask=None, position_bias=None, layer_head_mask=None):
        query = self.q_proj(hidden_states)
        key = self.k_proj(hidden_states)
        query, key, _ = match_attn_matrices_for_parallel(query, key, key)
        {body}
        return scores
"""


def _attention(*lines: str) -> str:
    return _ATTENTION.format(body="\n        ".join(lines))


class OperandNotReplicated(SourceRule):
    """An argument with the caller's rows meets a replicated tensor."""

    id = "AA602"
    name = "operand-not-replicated"
    severity = Severity.WARNING
    confidence = Confidence.LIKELY
    verdict = Verdict.CRASH
    cases = (
        Case(
            bad=True,
            code="torch.matmul(query, key) + mask",
            says="the argument `mask` may still have the caller's rows",
            severity=Severity.WARNING,
            source=_attention("scores = torch.matmul(query, key) + mask"),
        ),
        Case(
            bad=True,
            code="scores += position_bias",
            says="the argument `position_bias` may still",
            severity=Severity.WARNING,
            source=_attention(
                "(mask,) = adjust_tensors_for_parallel(query, mask)",
                "scores = torch.matmul(query, key)",
                "if position_bias is None:",
                "    position_bias = self.compute_bias(8, 8) + mask",
                "scores += position_bias",
            ),
        ),
        Case(
            bad=False,
            source=_attention(
                "(mask,) = adjust_tensors_for_parallel(query, mask)",
                "scores = torch.matmul(query, key) + mask",
            ),
        ),
        Case(bad=False, source=_attention("scores = torch.matmul(query, key) * layer_head_mask")),
    )

    def check(self, source: SourceFile) -> Iterator[Flaw]:
        """Yield the first meeting of each argument in each function that is written for lanes."""
        from adapter_audit.auditor.lint.observe import position
        from adapter_audit.auditor.lint.reachable import unreachable

        first: dict[tuple[str, str], Meeting] = {}
        for event in source.flow.meetings.values():
            if event.replicates:
                first.setdefault((event.function, event.other.parameter), event)
        latent = unreachable(source) if first else ""
        for event in first.values():
            yield self.flaw(source, position(event.node), _message(event), latent=latent)


def _message(event: Meeting) -> str:
    batch = event.grown.batch
    assert batch is not None  # only tensors with known rows become events
    return (
        f"the argument `{event.other.parameter}` may still have the caller's rows here, while the tensor "
        f"it meets may be replicated for Parallel by {batch.why} (line {batch.line}); replicate it too"
    )
