"""The tensors of a model's output by name, whatever they are packed in, and what cannot be read."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy
import torch

from ..knowledge.library_names import TRANSFORMERS
from .tensors import PLAIN

MAX_DEPTH = 8
"""Objects in objects that are looked into."""
_NO_VALUES = (type, torch.nn.Module, torch.Generator, Enum, bytes, complex, numpy.generic)


@dataclass
class OutputParts:
    """What an output holds: tensors by name, and for what cannot be read its name and what it is."""

    tensors: dict[str, torch.Tensor] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)


def parts_of(output: Any) -> OutputParts:
    """All tensors of an output, arrays as tensors; caches are left out (what they hold shows in later steps).

    Objects are looked into up to `MAX_DEPTH`. Generators are not used up: they are the caller's.
    """
    parts = OutputParts()
    _read(output, "", parts, ())
    return parts


def named_tensors(output: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors among an output's parts."""
    yield from parts_of(output).tensors.items()


def _read(value: Any, name: str, parts: OutputParts, around: tuple[int, ...]) -> None:
    if isinstance(value, torch.Tensor):
        parts.tensors[name or "output"] = value
    elif isinstance(value, numpy.ndarray):
        _read_array(value, name or "output", parts)
    elif type(value) in PLAIN or isinstance(value, _NO_VALUES) or callable(value) or _is_cache(value):
        return
    elif id(value) in around:
        return  # it holds itself
    elif len(around) > MAX_DEPTH:
        parts.unread[name] = f"{type(value).__name__} at depth {MAX_DEPTH}"
    else:
        inner = _items(value)
        if inner is None:
            parts.unread[name or "output"] = type(value).__name__
            return
        for key, item in inner:
            _read(item, f"{name}.{key}" if name else str(key), parts, (*around, id(value)))


def _read_array(value: numpy.ndarray[Any, Any], name: str, parts: OutputParts) -> None:
    try:
        parts.tensors[name] = torch.from_numpy(value.copy())
    except TypeError:  # of objects or text
        parts.unread[name] = f"an array of {value.dtype}"


def _is_cache(value: Any) -> bool:
    return any(base.__name__ in TRANSFORMERS.cache_classes for base in type(value).__mro__)


def _items(value: Any) -> Iterable[tuple[Any, Any]] | None:
    """What a container or an object holds by key, index or attribute; None for what cannot be looked into."""
    if isinstance(value, Mapping):
        return [(k, v) for k, v in value.items() if k not in TRANSFORMERS.caches]
    if isinstance(value, (tuple, list)):
        return enumerate(value)
    if dataclasses.is_dataclass(value):
        return [(f.name, getattr(value, f.name)) for f in dataclasses.fields(value)]
    if hasattr(value, "__next__") or not hasattr(value, "__dict__"):
        return None
    return [(k, v) for k, v in vars(value).items() if not k.startswith("_") and k not in TRANSFORMERS.caches]
