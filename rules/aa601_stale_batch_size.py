"""AA601 stale-batch-size

## What it does
Finds a batch size that is read from a tensor, and used to reshape another one after a call that may have
replicated the rows: a projection that an adapter layer wraps, prefix tuning, `adjust_tensors_for_parallel`.
It follows names through branches, loops and functions of the same file; a batch size that is read again
after the call is fine.

## Why is this bad
With `Parallel` over N adapters the tensor has N times as many rows by then. A `view` with the old number
fails, or, with a `-1` among the sizes, silently folds the lanes into the sequence: the shapes still fit
and the values are wrong. The error, if there is one, is often raised many lines later.

## Example
```python
bsz, q_len, _ = hidden_states.size()
query_states = self.q_proj(hidden_states)  # a LoRA layer: N * bsz rows
query_states = query_states.view(bsz, -1, self.num_heads, self.head_dim)  # AA601
```

## Fix
Read the size from the tensor that is reshaped. `adapter-audit lint --fix` does so where dim 0 of the
tensor is the batch alone:
```python
query_states = query_states.view(query_states.shape[0], -1, self.num_heads, self.head_dim)
```
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .base import Case
from .source_rule import Confidence, Flaw, Severity, SourceRule, Verdict

if TYPE_CHECKING:
    from adapter_audit.auditor.lint.events import StaleSize
    from adapter_audit.auditor.lint.source_file import SourceFile

_ATTENTION = """
class ToyAttentionWithAdapters(ToyAttentionAdaptersMixin, ToyAttention):
    def forward(self, hidden_states, attention_mask=None):
        bsz, q_len, _ = hidden_states.size()
        query = self.q_proj(hidden_states)
        {body}
        return self.out_proj(query)
"""


def _attention(*lines: str) -> str:
    return _ATTENTION.format(body="\n        ".join(lines))


class StaleBatchSize(SourceRule):
    """A batch size from before the replication, used after it."""

    id = "AA601"
    name = "stale-batch-size"
    severity = Severity.ERROR
    confidence = Confidence.LIKELY
    verdict = Verdict.WRONG
    cases = (
        Case(
            bad=True,
            code="query.view(bsz, -1, self.heads",
            says="`bsz` has the batch size of `hidden_states`",
            source=_attention("query = query.view(bsz, -1, self.heads, self.dim)"),
        ),
        Case(
            bad=True,
            code="query.reshape(bsz * self.heads",
            says="`bsz * self.heads` has the batch size",
            source=_attention("query = query.reshape(bsz * self.heads, -1, self.dim)"),
        ),
        Case(
            bad=True,
            code="query.view(shape)",
            says="`shape` has the batch size of `hidden_states`",
            source=_attention("shape = (bsz, -1, self.heads, self.dim)", "query = query.view(shape)"),
        ),
        Case(
            bad=True,
            code="self._shape(self.q_proj(hidden_states), -1, bsz)",
            says="given along with `self.q_proj(hidden_states)`",
            source=_attention("query = self._shape(self.q_proj(hidden_states), -1, bsz)"),
        ),
        Case(
            bad=True,
            code="return x.view(bsz, -1",
            says="is used to reshape `x`",
            source=_attention(
                "def split(x):", "    return x.view(bsz, -1, self.heads, self.dim)", "query = split(query)"
            ),
        ),
        Case(bad=False, source=_attention("query = query.view(query.shape[0], -1, self.heads, self.dim)")),
        Case(bad=False, source=_attention("bsz = query.size(0)", "query = query.view(bsz, -1, self.dim)")),
        Case(bad=False, source=_attention("query = query.view(-1, q_len, self.heads, self.dim)")),
        Case(bad=False, source=_attention("mask = attention_mask.view(bsz, 1, 1, q_len)")),
        Case(
            bad=False,
            source=_attention(
                "query, key, value = match_attn_matrices_for_parallel(query, query, query)",
                "key, value, _ = self.prefix_tuning(key, value, hidden_states, None)",
                "(query,) = adjust_tensors_for_parallel(key, query)",
                "bsz = key.shape[0]",
                "query = query.view(bsz, -1, self.dim)",
            ),
        ),
    )

    def check(self, source: SourceFile) -> Iterator[Flaw]:
        """Yield a flaw for every stale size that the data flow found."""
        from adapter_audit.auditor.lint.reachable import unreachable
        from adapter_audit.auditor.lint.resize import edits_for

        stale = source.flow.stale
        latent = unreachable(source) if stale else ""
        for position, event in stale.items():
            yield self.flaw(source, position, _message(event), edits=edits_for(source, event), latent=latent)


def _message(event: StaleSize) -> str:
    size, batch = event.size, event.tensor.batch
    assert batch is not None  # only tensors with known rows become events
    shown = ast.unparse(event.size_node)
    where = "given along with" if event.use == "argument" else "used to reshape"
    return (
        f"`{shown}` has the batch size of `{size.source}` (line {size.line}), but is {where} "
        f"`{ast.unparse(event.tensor_node)}`, whose rows {batch.why} (line {batch.line}) may replicate for "
        "Parallel; read the size from that tensor"
    )
