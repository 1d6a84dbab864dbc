"""A keyword that a module took before `adapters.init` and takes no more: `**kwargs` swallows it.

Proved by experiment: the bare model, with that keyword taken away from the same modules, gives what the
prepared model gives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ...facts.observations import Departure
from ..output_gaps import plain_gap
from ..witness import Witness, keywords_of, start_of_forward

if TYPE_CHECKING:
    from ..bench import Bench


def lost_keyword(bench: Bench, raw: Witness, prepared: Witness, module: str) -> tuple[str, Departure] | None:
    """The outermost module on the way to `module` that lost a keyword, if that alone explains the outputs.

    The keyword, and the forward that takes it no more.
    """
    parts = module.split(".")
    for path in (".".join(parts[: i + 1]) for i in range(len(parts))):
        before, now = raw.classes.get(path), prepared.classes.get(path)
        if before is None or now is None:
            continue
        lost = (prepared.given[path] & keywords_of(before)) - keywords_of(now)
        for name in sorted(lost):
            if _explains(bench, before, name):
                site = start_of_forward(now)
                return None if site is None else (name, Departure(0, path, site, "forward", 0.0))
    return None


def _explains(bench: Bench, module_class: type[torch.nn.Module], name: str) -> bool:
    ran = bench.run_raw(lambda model: _take_away(model, module_class, name))
    now = bench.known(None)
    if ran.failure is not None or now.failure is not None:
        return False
    return plain_gap(bench, now.outputs, ran.outputs)[1] <= bench.tolerance


def _take_away(model: torch.nn.Module, module_class: type[torch.nn.Module], name: str) -> None:
    def without(_module: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        return args, {k: None if k == name else v for k, v in kwargs.items()}

    for module in model.modules():
        if type(module) is module_class:
            module.register_forward_pre_hook(without, with_kwargs=True)
