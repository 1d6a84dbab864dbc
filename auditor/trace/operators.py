"""What the recorder needs to know about an operator, worked out once for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

_PRODUCTS = ("mm", "conv", "attention")
_CHOICES = ("aten.argmax.default", "aten.topk.default", "aten.sort.default")
"""torch has no tag for these; draws (`nondeterministic_seeded`) choose, too."""
_ASKING = frozenset({torch.Tag.dynamic_output_shape, torch.Tag.data_dependent_output})
_known: dict[int, Operator] = {}


@dataclass(frozen=True, slots=True)
class Operator:
    """Facts of one overload; `name` is as in `aten.add.Tensor`."""

    run: Any
    """The overload itself."""
    name: str
    mutates: bool
    """Writes to an operand."""
    pure: bool
    """Neither writes to nor aliases its operands, and returns tensors only."""
    random: bool
    """Draws numbers: torch's tag `nondeterministic_seeded`."""
    asks_values: bool
    """The shape or the number that it returns depends on values: torch's tags `dynamic_output_shape` and
    `data_dependent_output`."""
    uninitialised: bool
    """Returns whatever is in fresh memory, which would make two audits differ."""
    chooses: bool
    """Picks tokens from scores."""
    multiplies: bool
    """Costs more than its elements."""


def operator(func: Any) -> Operator:
    """The facts of an overload. By identity: overloads live forever, and hashing one is slow."""
    found = _known.get(id(func))
    if found is None:
        found = _known[id(func)] = _described(func)
    return found


def _described(func: Any) -> Operator:
    name, schema = str(func), func._schema
    aliases = any(a.alias_info is not None for a in (*schema.arguments, *schema.returns))
    returns_tensors = bool(schema.returns) and all(str(r.type) == "Tensor" for r in schema.returns)
    random = torch.Tag.nondeterministic_seeded in func.tags
    return Operator(
        run=func,
        name=name,
        mutates=schema.is_mutable,
        pure=returns_tensors and not schema.is_mutable and not aliases,
        random=random,
        asks_values=not _ASKING.isdisjoint(func.tags),
        uninitialised=schema.name.startswith(("aten::empty", "aten::new_empty")),
        chooses=random or name in _CHOICES,
        multiplies=any(part in name for part in _PRODUCTS),
    )
