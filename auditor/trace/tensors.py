"""The tensors among the arguments and results of an op: `torch.utils._pytree` at several times its speed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.utils._pytree import tree_map_only

PLAIN = frozenset({int, float, bool, str, type(None), torch.dtype, torch.device, torch.layout})
TENSORS = frozenset({torch.Tensor, torch.nn.Parameter})
"""What most arguments are: `isinstance` is slow for classes with a metaclass."""
_SPARSE = (torch.sparse_coo, torch.sparse_csr, torch.sparse_csc, torch.sparse_bsr, torch.sparse_bsc)


def tensors_in_call(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[torch.Tensor]:
    """All tensors that an op is given, in order."""
    found: list[torch.Tensor] = []
    for value in args:
        kind = type(value)
        if kind in TENSORS:
            found.append(value)
        elif kind not in PLAIN:
            _collect(value, found)
    if kwargs:
        _collect(kwargs, found)
    return found


def tensors_in(value: Any) -> list[torch.Tensor]:
    """All tensors in nested lists, tuples and dicts, in order."""
    if type(value) is torch.Tensor:
        return [value]
    found: list[torch.Tensor] = []
    _collect(value, found)
    return found


def _collect(value: Any, found: list[torch.Tensor]) -> None:
    kind = type(value)
    if kind in PLAIN:
        return
    if kind in TENSORS or isinstance(value, torch.Tensor):
        found.append(value)
    elif kind is tuple or kind is list or isinstance(value, (tuple, list)):
        for item in value:
            _collect(item, found)
    elif isinstance(value, Mapping):
        for item in value.values():
            _collect(item, found)


def tensors_mapped(value: Any, change: Callable[[torch.Tensor], Any]) -> Any:
    """The arguments or results of an op with every tensor changed (a fast pytree map)."""
    if isinstance(value, torch.Tensor):
        return change(value)
    kind = type(value)
    if kind is tuple or kind is list:
        return kind(tensors_mapped(v, change) for v in value)
    if kind is dict:
        return {k: tensors_mapped(v, change) for k, v in value.items()}
    return tree_map_only(torch.Tensor, change, value) if isinstance(value, (tuple, Mapping)) else value


def readable(value: torch.Tensor) -> torch.Tensor:
    """A tensor that can be cut and compared: sparse ones dense, complex ones as pairs of numbers."""
    if value.layout in _SPARSE:
        value = value.to_dense()
    return torch.view_as_real(value.resolve_conj()) if value.is_complex() else value
