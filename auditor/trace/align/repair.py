"""What a failing op or module should have returned, read off the reference traces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from ..records import Key, Shape


@dataclass(frozen=True)
class Repairs:
    """Expected outputs of ops and modules in an expanded run.

    Each maps an identity to what the reference returned at B and at N*B rows. `lanes` is N.
    """

    ops: Mapping[Key, tuple[Shape, Shape]]
    modules: Mapping[tuple[str, int], tuple[Any, Any]]

    def op_output(self, key: Key, args: Any) -> torch.Tensor | None:
        """An empty tensor of the shape the op has in the reference at N*B rows; None if it has no twin."""
        found = self.ops.get(key)
        if found is None or not args:
            return None
        like = next((t for t in _flat(args) if isinstance(t, torch.Tensor) and t.is_floating_point()), None)
        if like is None:
            return None
        return like.new_empty(found[1])

    def fits(self, key: Key, shape: Shape) -> bool:
        """Whether the op has this shape in a reference, or no twin at all."""
        return key not in self.ops or shape in self.ops[key]

    def module_output(self, call: tuple[str, int], arguments: Any) -> Any | None:
        """What the module returned in the reference, its tensors at N*B rows.

        Objects that are no tensors or containers (caches) are taken from the call's own arguments, by
        type. None when the module has no twin or returned something that cannot be rebuilt.
        """
        found = self.modules.get(call)
        if found is None:
            return None
        own = {type(value): value for value in _flat(arguments) if not isinstance(value, torch.Tensor)}
        try:
            return _rebuild(found[1], own)
        except _CannotRebuild:
            return None


class _CannotRebuild(Exception):
    pass


def _rebuild(value: Any, own: Mapping[type, Any]) -> Any:
    if isinstance(value, torch.Tensor):
        return torch.empty_like(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_rebuild(v, own) for v in value))
    if isinstance(value, (tuple, list)):
        return type(value)(_rebuild(v, own) for v in value)
    if type(value) in own:
        return own[type(value)]
    if isinstance(value, Mapping):
        return type(value)(**{k: _rebuild(v, own) for k, v in value.items()})
    raise _CannotRebuild


def _flat(value: Any) -> list[Any]:
    if isinstance(value, (tuple, list)):
        return [leaf for item in value for leaf in _flat(item)]
    if isinstance(value, Mapping):
        return [leaf for item in value.values() for leaf in _flat(item)]
    return [value]
