"""Decoding with a cache gives what full forwards give, where it does so without adapters.

With beams only what comes of them is reported: that beams and their caches part.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...facts.observations import Observation
from ..value_check import NotApplicable, ValueCheck

if TYPE_CHECKING:
    from ..measuring_bench import MeasuringBench


@dataclass(frozen=True, kw_only=True)
class CacheGap(Observation):
    """Sequences or scores of some step differ with and without the cache."""

    deviation: float
    """Of the largest value; infinite for other tokens, or where one way stops."""


class CacheParity(ValueCheck):
    """See the module's docstring."""

    name, order = "cache", 160
    yields = (CacheGap,)

    def observe(self, bench: MeasuringBench) -> Iterator[CacheGap]:
        """At most one."""
        if bench.spec.mode not in ("generate", "beam"):
            raise NotApplicable
        gap = bench.steps_gap(bench.composed(), bench.run(bench.tree, use_cache=False))
        if gap <= bench.tolerance:
            return
        if bench.steps_gap(bench.known(None), bench.run(None, use_cache=False)) > bench.tolerance:
            raise NotApplicable
        if bench.spec.mode == "beam" and not _decodes_greedily(bench):
            raise NotApplicable  # a matter of `--mode generate`
        if bench.decodes_as_forwards(bench.composed()):
            raise NotApplicable  # the cache is right; who does without one is not audited
        yield CacheGap(deviation=gap, departure=bench.preparing_function())


def _decodes_greedily(bench: MeasuringBench) -> bool:
    """Whether the cache is right where there is one beam only."""
    with_cache, without = (bench.run(bench.tree, use_cache=u, mode="generate") for u in (True, False))
    return bench.steps_gap(with_cache, without) <= bench.tolerance
