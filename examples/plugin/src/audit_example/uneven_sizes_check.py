"""A check: which adapters of a composition have far fewer parameters than another one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter_audit.auditor.facts.observations import Observation
from adapter_audit.auditor.probe.value_check import NotApplicable, ValueCheck

if TYPE_CHECKING:
    from adapter_audit.auditor.probe.measuring_bench import MeasuringBench

TIMES = 4
"""An adapter this much smaller than the largest is told."""


@dataclass(frozen=True, kw_only=True)
class SmallAdapter(Observation):
    """One adapter and the largest one beside it, with the numbers of their parameters."""

    adapter: str
    parameters: int
    largest: str
    most: int


class UnevenSizesCheck(ValueCheck):
    """Counts parameters on the bench: a check may also run the model there and compare outputs."""

    name, order = "uneven sizes", 900
    yields = (SmallAdapter,)

    def observe(self, bench: MeasuringBench) -> Iterator[SmallAdapter]:
        """One for each small adapter."""
        if len(bench.names) < 2:
            raise NotApplicable
        sizes = {name: sum(p.numel() for _, p in bench.own_parameters(name)) for name in bench.names}
        largest = max(sizes, key=lambda name: sizes[name])
        for name, size in sizes.items():
            if size * TIMES <= sizes[largest]:
                yield SmallAdapter(adapter=name, parameters=size, largest=largest, most=sizes[largest])
