"""An adapter changes only rows that it is responsible for, not even by a little.

The other rows go through the same arithmetic whatever its weights are, so any change is a leak; one too
small for `lane_parity` is seen here. Lanes that are wrong already are left to that check. So is a model whose
rows move each other without adapters, be it by little.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...facts.observations import OutputGap
from ...schema.composition import adapter_names
from ..value_check import ValueCheck

if TYPE_CHECKING:
    from ..bench import Parameter
    from ..measuring_bench import MeasuringBench


@dataclass(frozen=True, kw_only=True)
class LaneLeak(OutputGap):
    """A lane's rows change with an adapter that is not in it."""

    lane: int
    adapters: tuple[str, ...]
    """Those of the lane."""
    other: str


class LaneIsolation(ValueCheck):
    """See the module's docstring."""

    name, order = "isolation", 80
    yields = (LaneLeak,)

    def observe(self, bench: MeasuringBench) -> Iterator[LaneLeak]:
        """One for each adapter and each lane that it leaks into."""
        ran = bench.composed()
        for name in bench.names:
            others = [r for r in bench.references if name not in adapter_names(r.tree)]
            others = [r for r in others if bench.row_gap(ran, bench.reference(r), r)[1] <= bench.tolerance]
            alone = _unshared(bench, name)
            other = bench.with_moved(name, alone) if others and alone else None
            if other is None:
                continue
            if other.failure is not None:
                bench.leave_open(f"with another {name}, {bench.stopped(bench.tree, other)}")
                continue
            for reference in others:
                output, amount = bench.first_change(ran, other, reference)
                if output and not bench.mixing() > bench.smallest_effect:
                    yield LaneLeak(
                        lane=reference.lane,
                        adapters=adapter_names(reference.tree),
                        other=name,
                        output=output,
                        deviation=amount,
                    )


def _unshared(bench: MeasuringBench, name: str) -> list[Parameter]:
    """Parameters that no other adapter has too (multi-task methods share some)."""
    shared = {id(p) for other in bench.names if other != name for _, p in bench.own_parameters(other)}
    return [(path, p) for path, p in bench.own_parameters(name) if id(p) not in shared]
