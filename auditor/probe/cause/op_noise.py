"""How far one unit of round-off reaches in each op of a recorded run, measured when it is first asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property

import torch

from ...trace.records import Record
from ..precision import SPREAD, SURELY_REAL, distance
from ..witness import Witness


class OpNoise:
    """The absolute floors of one run's ops; `nudged` records it with all weights moved by one unit."""

    def __init__(self, exact: Witness, nudged: Callable[[], Witness]) -> None:
        self._exact, self._make = exact, nudged

    def may_explain(self, mine: Sequence[torch.Tensor], theirs: Sequence[torch.Tensor]) -> bool:
        """Whether the values could be that small: the largest ones, which cost no further run, tell."""
        sizes = (float(v.abs().max()) for v in (*mine, *theirs) if v.is_floating_point() and v.numel())
        return any(size < SURELY_REAL for size in sizes)

    def of(self, record: Record) -> list[float]:
        """For each value of an op of the run: absolute differences up to this are round-off."""
        twin = self._twins.get(record.key)
        if twin is None:
            return []
        pairs = zip(self._nudged.values_of(twin), self._exact.values_of(record), strict=False)
        offs = [distance(m, t) if t.is_floating_point() else 0.0 for m, t in pairs]
        return [SPREAD * off if math.isfinite(off) else 0.0 for off in offs]

    @cached_property
    def _nudged(self) -> Witness:
        return self._make()

    @cached_property
    def _twins(self) -> dict[object, Record]:
        return {record.key: record for record in self._nudged.trace.records}
