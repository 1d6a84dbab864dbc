"""The base model of a saved adapter, on the meta device: no weights, whatever its size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ..errors import BuildError
from ..request.model_source import ModelSource


def base_models(source: ModelSource, class_names: Sequence[str]) -> Iterator[Any]:
    """The model as these classes of transformers make it; without any, as its configuration says, and plain.

    Raises BuildError when no class can make it.
    """
    import torch
    import transformers

    if source.factory is not None:
        with torch.device("meta"):
            yield source.factory()
        return
    data = dict(source.config or {})
    config = transformers.AutoConfig.for_model(data.pop("model_type"), **data)
    names = class_names or dict.fromkeys([*(config.architectures or ()), "AutoModel"])
    errors = []
    made = 0
    for name in names:
        cls = getattr(transformers, name, None)
        if cls is None:
            errors.append(f"transformers has no {name}")
            continue
        try:
            with torch.device("meta"):
                model = cls.from_config(config) if name.startswith("Auto") else cls(config)
        except (ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
            errors.append(f"{name}: {str(error).splitlines()[0]}")
            continue
        made += 1
        yield model
    if not made:
        raise BuildError(f"cannot build the base model {source.name}", why="; ".join(errors))


def tied_modules(model: Any) -> tuple[tuple[str, ...], ...]:
    """Groups of modules that have one weight together."""
    model.tie_weights()
    found: dict[int, list[str]] = {}
    for path, module in model.named_modules():
        weight = module._parameters.get("weight")
        if weight is not None:
            found.setdefault(id(weight), []).append(path)
    return tuple(tuple(paths) for paths in found.values() if len(paths) > 1)
