"""Which parameters and layers of a model are an adapter's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...knowledge.library_names import PEFT
from ...schema.result import Activity


def parameters(model: Any, adapter: str) -> Iterator[tuple[str, Any]]:
    """Names and parameters that belong to one adapter, shared ones once.

    They lie in a dictionary under its name. Where a tuner puts in only those of the adapter that is active,
    it is made active.
    """
    if tuner_of(model, adapter) in PEFT.swapping_tuners:
        model.set_adapter(adapter)
        yield from _named(model, lambda parts: parts[-1].startswith(PEFT.swapped_parameters))
    else:
        containers = _containers(model)
        yield from _named(model, lambda parts: _is_in(parts, adapter, containers))


def _named(model: Any, belongs: Any) -> Iterator[tuple[str, Any]]:
    for name, parameter in model.named_parameters():
        if parameter.is_floating_point() and belongs(name.split(".")):
            yield name, parameter


def tuner_of(model: Any, adapter: str) -> str:
    """The name of an adapter's tuner."""
    kind = getattr(model.peft_config[adapter], "peft_type", "")
    return str(getattr(kind, "value", kind)).lower()


def _containers(model: Any) -> frozenset[str]:
    """Paths of dictionaries of modules or parameters."""
    from torch import nn

    kinds = (nn.ModuleDict, nn.ParameterDict)
    return frozenset(path for path, module in model.named_modules() if isinstance(module, kinds))


def _is_in(parts: list[str], adapter: str, containers: frozenset[str]) -> bool:
    return any(part == adapter and ".".join(parts[:index]) in containers for index, part in enumerate(parts))


def activity(model: Any, names: tuple[str, ...]) -> tuple[Activity, ...]:
    """One row for each layer of a tuner, and each module that is trained along, with these adapters."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    rows = []
    for path, module in model.named_modules():
        if isinstance(module, BaseTunerLayer):
            present = _adapters_of(module)
        elif hasattr(module, "modules_to_save") and hasattr(module, "original_module"):
            present = frozenset(module.modules_to_save)
        elif path == "prompt_encoder":
            present = frozenset(module)
        else:
            continue
        own = tuple(name for name in names if name in present)
        if own:
            rows.append(
                Activity(module=path, layer=_layer(path), method=type(module).__name__.lower(), adapters=own)
            )
    return tuple(rows)


def _adapters_of(layer: Any) -> frozenset[str]:
    """Adapters with anything in a layer: it keeps dictionaries of modules or parameters."""
    kept: list[Any] = [getattr(layer, name, None) for name in layer.adapter_layer_names]
    return frozenset(str(name) for container in kept if hasattr(container, "keys") for name in container)


def _layer(path: str) -> int:
    """The first number in a path; -1 outside of layers."""
    return next((int(part) for part in path.split(".") if part.isdigit()), -1)
