"""Which line writes into a tensor of the caller's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...facts.observations import Departure

if TYPE_CHECKING:
    from ..bench import Bench


def writing_line(bench: Bench, shape: tuple[int, ...]) -> Departure | None:
    """Where a tensor of this shape that came from outside is first written to, in a forward if any."""
    witness = bench.witnessed(bench.tree)
    for record in witness.trace.records:
        target = record.operands[0] if record.mutates and record.operands else None
        if target is None or target.producer is not None or target.source or target.shape != shape:
            continue
        frames = witness.frames[record.index]
        forward = next((s for s in frames if s.function == "forward"), record.site)
        return Departure(0, record.key.module, forward, record.key.op, float("inf"))
    return None
