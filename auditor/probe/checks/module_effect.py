"""Every module of an active adapter takes part: one without a gradient is moved, and changes nothing.

Adapters that do nothing at all are left to `adapter_effect`, layers that are to be skipped to the user.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...facts.observations import Observation
from ...schema.composition import adapter_names
from ..value_check import NotApplicable, ValueCheck

if TYPE_CHECKING:
    from ...schema.references import Reference
    from ..bench import Parameter, Ran
    from ..measuring_bench import MeasuringBench


@dataclass(frozen=True, kw_only=True)
class IdleModule(Observation):
    """Some modules of an adapter that acts elsewhere take no part."""

    adapter: str
    modules: tuple[str, ...]
    """Their paths; what a pool keeps for a layer has a path in the pool."""
    lanes: tuple[int, ...]


class ModuleEffect(ValueCheck):
    """See the module's docstring."""

    name, order = "modules", 70
    yields = (IdleModule,)

    def observe(self, bench: MeasuringBench) -> Iterator[IdleModule]:
        """One for each adapter, with all of its idle modules."""
        ran = bench.composed()
        if bench.ignored:
            raise NotApplicable  # nothing is composed: `call_arguments` says so
        if bench.spec.mode not in ("forward", "train") or bench.spec.skip_layers:
            raise NotApplicable
        try:
            with_gradient = bench.parameters_with_gradient()
        except Exception as error:  # no backward through this forward: a matter of train mode
            if not isinstance(error, RuntimeError) and not bench.refuses(error):
                raise
            bench.notes.append(f"single modules were not looked at: no backward pass ({error})"[:200])
            raise NotApplicable from error
        for name in bench.names:
            own = [r for r in bench.references if name in adapter_names(r.tree) and r.rows]
            modules = bench.modules_of(name)
            idle = {m: ps for m, ps in modules.items() if not any(id(p) in with_gradient for _, p in ps)}
            if "inputs_embeds" in bench.inputs:  # they pass by what follows the token embedding, as asked
                idle = {m: ps for m, ps in idle.items() if _is_in_a_layer(m, name)}
            if not own or len(idle) == len(modules):
                continue
            dead = tuple(m for m, parameters in idle.items() if not _moves(bench, ran, own, parameters))
            if dead:
                yield IdleModule(adapter=name, modules=dead, lanes=tuple(r.lane for r in own))


def _is_in_a_layer(module: str, adapter: str) -> bool:
    layer = module.partition(f".{adapter}.")[0]
    return any(part.isdigit() for part in layer.split("."))


def _moves(bench: MeasuringBench, ran: Ran, own: list[Reference], parameters: list[Parameter]) -> bool:
    """Whether anything changes when these parameters do."""
    other = bench.run_with(parameters)
    return other.failure is not None or any(bench.is_moved(ran, other, reference) for reference in own)
