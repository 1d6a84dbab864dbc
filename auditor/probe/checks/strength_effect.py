"""An adapter's `alpha` changes what it does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...facts.observations import Observation
from ..value_check import NotApplicable, ValueCheck

if TYPE_CHECKING:
    from ..measuring_bench import MeasuringBench


@dataclass(frozen=True, kw_only=True)
class IdleStrength(Observation):
    """Twice the `alpha` gives the same output."""

    adapter: str


class StrengthEffect(ValueCheck):
    """See the module's docstring."""

    name, order = "strength", 170
    yields = (IdleStrength,)

    def observe(self, bench: MeasuringBench) -> Iterator[IdleStrength]:
        """One for each method."""
        if bench.spec.mode != "forward":
            raise NotApplicable
        methods = {bench.job.methods.get(name, name): name for name in bench.names}
        for name in methods.values():
            alone = bench.known(name)
            if alone.failure is not None:
                if bench.known(bench.tree).failure is None:
                    bench.leave_open(bench.stopped(name, alone))
                continue
            try:
                with bench.other_strength(name) as (copy, departure):
                    other = bench.run(copy)
                    if other.failure is not None:
                        bench.leave_open(f"with another strength, {bench.stopped(name, other)}")
                    elif bench.gap(other, alone)[1] <= bench.smallest_effect:
                        yield IdleStrength(adapter=name, departure=departure)
            except LookupError:
                continue
