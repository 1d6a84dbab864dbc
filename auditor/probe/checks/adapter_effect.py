"""Every active adapter changes rows that it is responsible for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...facts.observations import Observation
from ...schema.composition import Block, adapter_names, walk
from ..value_check import NotApplicable, ValueCheck

if TYPE_CHECKING:
    from ...schema.references import Reference
    from ..bench import Ran
    from ..measuring_bench import MeasuringBench


@dataclass(frozen=True, kw_only=True)
class IdleAdapter(Observation):
    """An adapter's parameters change nothing in its rows."""

    adapter: str
    lanes: tuple[int, ...]
    drowned: bool
    """Its rows hold no finite number, whatever it does."""


class AdapterEffect(ValueCheck):
    """See the module's docstring."""

    name, order = "effect", 60
    yields = (IdleAdapter,)

    def observe(self, bench: MeasuringBench) -> Iterator[IdleAdapter]:
        """One for each idle adapter, which the bench remembers."""
        ran = bench.composed()
        if bench.ignored:
            raise NotApplicable  # nothing is composed: `call_arguments` says so
        for name in _weighty(bench.names, bench.tree):
            own = [r for r in bench.references if name in adapter_names(r.tree)]
            if own and not _has_effect(bench, ran, own, name):
                bench.idle.add(name)
                drowned = not any(bench.is_finite(ran, reference) for reference in own)
                yield IdleAdapter(adapter=name, lanes=tuple(r.lane for r in own), drowned=drowned)


def _weighty(names: tuple[str, ...], tree: Block) -> list[str]:
    """Names of adapters, but for those that a weighted combination is told to leave out."""
    blocks = [b for b in walk(tree) if b.kind == "weighted" and b.numbers]
    pairs = [pair for b in blocks for pair in zip(b.children, b.numbers or (), strict=True)]
    out = {child for child, weight in pairs if not weight} - {child for child, weight in pairs if weight}
    return [name for name in names if name not in out]


def _has_effect(bench: MeasuringBench, ran: Ran, own: list[Reference], name: str) -> bool:
    if not bench.own_parameters(name):
        return False
    other = bench.with_moved(name)
    if other.failure is not None:
        return True  # it runs with some values and not with others: that is an effect
    return any(bench.is_moved(ran, other, reference) for reference in own)
