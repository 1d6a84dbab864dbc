"""The flexible heads of `adapters`: models of its own (`AutoAdapterModel`) with heads under names."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from ...errors import BuildError, LibraryRefusal, UsageError
from ...knowledge.library_names import ADAPTERS
from ...schema.heads import Heads
from ..prediction_heads import HeadLabels, LabelKind
from .method_check import plain_values

EXAMPLE = "classification[num_labels=3]"


class AdaptersHeads:
    """See `prediction_heads.PredictionHeads`."""

    def check(self, config: str) -> None:
        """See `PredictionHeads.check`."""
        _parsed(config)

    def model(self, config: Any, **options: Any) -> Any:
        """`AutoAdapterModel.from_config`."""
        from adapters import ADAPTER_MODEL_MAPPING, AutoAdapterModel

        if type(config) not in ADAPTER_MODEL_MAPPING:
            known = sorted({c.model_type for c in ADAPTER_MODEL_MAPPING})
            raise BuildError(
                f"the library has no {config.model_type} model with heads under names",
                do=f"give the task head of transformers, or one of these models: {', '.join(known)}",
            )
        return AutoAdapterModel.from_config(config, **options)

    def add(self, model: Any, heads: Mapping[str, str]) -> None:
        """`add_classification_head` and the like."""
        for name, config in heads.items():
            kind, arguments = _parsed(config)
            add = getattr(model, ADAPTERS.head_methods[kind], None)
            if add is None:
                why = f"{type(model).__name__} is no model with heads under names"
                raise UsageError(f"the head {config!r} cannot be added", why=why)
            taken = set(inspect.signature(add).parameters) - {"head_name", "overwrite_ok", "id2label"}
            unknown = [argument for argument in arguments if argument not in taken]
            if unknown:
                raise LibraryRefusal(
                    f"{config!r} is not a head",
                    why=f"{kind} has no argument {unknown[0]!r}",
                    do=f"arguments of {kind}: {', '.join(sorted(taken))}",
                )
            if name not in model.heads:
                add(name, **arguments)

    def active(self, model: Any) -> Heads | None:
        """What `active_head` was set to, also where that follows from the active adapters."""
        from adapters.composition import BatchSplit, Parallel

        if not hasattr(model, "_active_heads"):
            return None
        chosen = model._active_heads or ()
        names = tuple(map(str, chosen))
        if len(names) > 1 and isinstance(chosen, BatchSplit):
            return Heads(names, tuple(map(int, chosen.batch_sizes)))
        return Heads(names, in_lanes=isinstance(chosen, Parallel))

    def use(self, model: Any, heads: Heads) -> None:
        """Set `active_head`."""
        from adapters.composition import BatchSplit, Parallel

        unknown = [name for name in heads.names if name not in getattr(model, "heads", ())]
        if unknown:
            known = ", ".join(getattr(model, "heads", ())) or "it has none"
            raise UsageError(f"the model has no head {unknown[0]!r}", do=f"known: {known}")
        if heads.sizes:
            model.active_head = BatchSplit(*heads.names, batch_sizes=list(heads.sizes))
        elif heads.in_lanes:
            model.active_head = Parallel(*heads.names)
        else:
            model.active_head = list(heads.names) or None

    def labels(self, model: Any) -> tuple[HeadLabels, ...]:
        """By the types of the active heads."""
        active = self.active(model)
        configs = [model.heads[name].config for name in (active.names if active else ())]
        return tuple(
            HeadLabels(LabelKind(ADAPTERS.head_labels[kind]), int(config.get("num_labels") or 0))
            for config in configs
            if (kind := config.get("head_type")) in ADAPTERS.head_labels
        )


def _parsed(config: str) -> tuple[str, dict[str, Any]]:
    """`classification[num_labels=3]` as a type and arguments. Raises LibraryRefusal."""
    kind, bracket, arguments = config.strip().partition("[")
    known = ", ".join(ADAPTERS.head_methods)
    if kind not in ADAPTERS.head_methods:
        near = get_close_matches(kind, ADAPTERS.head_methods, 3, 0.5)
        do = f"did you mean {' or '.join(near)}?" if near else f"known: {known}"
        raise LibraryRefusal(f"{config!r} is not a head", why=f"there is no type {kind!r}", do=do)
    values = plain_values(arguments.removesuffix("]")) if bracket else {}
    if values is None or (bracket and not arguments.endswith("]")):
        why = "its arguments are not names with plain values in brackets"
        raise LibraryRefusal(f"{config!r} is not a head", why=why, do=f"write for example {EXAMPLE}")
    return kind, values
