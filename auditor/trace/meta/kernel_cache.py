"""Meta kernels with a cache: the same op on the same shapes is computed once.

Many meta kernels are decompositions in Python that cost a millisecond (layer norm, addition with
broadcasting); a model repeats the same few hundred combinations of op and shapes in every layer. Only
pure ops whose outputs are new tensors are cached; views and in-place ops must alias their operands.
Ops on small float operands are run by the real CPU kernel on zeros: that is quicker than the
decomposition, and raises what the user's run would raise.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import torch

from ..operators import Operator
from ..tensors import PLAIN, TENSORS, tensors_mapped

LIMIT = 20_000
SMALL, MEDIUM = 1 << 14, 1 << 18
"""Elements up to which the real kernel is quicker than the decomposition: for products, for all else."""
_cached_layouts: dict[Any, Any] = {}


class Layout(NamedTuple):
    """All that a meta tensor is."""

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype

    def make(self) -> torch.Tensor:
        """A new meta tensor of this layout."""
        return torch.empty_strided(self.shape, self.stride, dtype=self.dtype, device="meta")


def call(op: Operator, args: Any, kwargs: Any) -> Any:
    """`op.run(*args, **kwargs)` on meta tensors, from the cache where possible. Errors are not cached."""
    if not op.pure:
        return op.run(*args, **kwargs)
    try:
        key = (id(op), _described(args), _described(tuple(kwargs.items())) if kwargs else ())
        found = _cached_layouts.get(key)
    except TypeError:  # an argument that cannot be hashed or is no plain meta tensor
        return op.run(*args, **kwargs)
    if found is None:
        real = _on_zeros(op, args, kwargs)
        out = op.run(*args, **kwargs) if real is None else real
        found = _layouts(out)
        if found is None:
            return out if real is None else op.run(*args, **kwargs)
        if len(_cached_layouts) < LIMIT:
            _cached_layouts[key] = found
        if real is None:
            return out
    return found.make() if isinstance(found, Layout) else tuple(layout.make() for layout in found)


def _on_zeros(op: Operator, args: Any, kwargs: Any) -> Any:
    """The op on real zeros of the operands' layouts; None where that is expensive or no help."""
    operands = [
        t for a in args for t in (a if isinstance(a, (tuple, list)) else (a,)) if isinstance(t, torch.Tensor)
    ]
    limit = SMALL if op.multiplies else MEDIUM
    if not operands or any(not t.is_floating_point() or t.numel() > limit for t in operands):
        return None
    if any(_span(t) > MEDIUM for t in operands):
        return None
    if any(isinstance(v, (torch.Tensor, torch.device)) for v in kwargs.values()):
        return None
    return op.run(*tensors_mapped(args, _zeros), **kwargs)


def _span(tensor: torch.Tensor) -> int:
    """Elements of memory from the first to the last one (more than there are in a slice)."""
    return 1 + sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))


def _zeros(operand: torch.Tensor) -> torch.Tensor:
    return _zero_memory(operand.dtype).as_strided(operand.shape, operand.stride())


@cache
def _zero_memory(dtype: torch.dtype) -> torch.Tensor:
    """One block of zeros that every operand is a view of: nothing pure writes to it."""
    return torch.zeros(MEDIUM, dtype=dtype, device="cpu")


def _described(value: Any) -> Any:
    kind = type(value)
    if kind in TENSORS or (kind not in PLAIN and isinstance(value, torch.Tensor)):
        if not value.is_meta or value.layout is not torch.strided:
            raise TypeError
        return (value.shape, value.stride(), value.dtype)
    if kind is tuple or kind is list:
        return tuple([_described(v) for v in value])
    # 1, 1.0 and True are equal and hash alike, but promote dtypes differently
    return (kind, value)


def _layouts(out: Any) -> Layout | tuple[Layout, ...] | None:
    if isinstance(out, torch.Tensor):
        return _layout(out)
    if isinstance(out, (tuple, list)):
        found = tuple(_layout(t) if isinstance(t, torch.Tensor) else None for t in out)
        return None if any(layout is None for layout in found) else found  # type: ignore[return-value]
    return None


def _layout(tensor: torch.Tensor) -> Layout | None:
    plain = tensor.layout is torch.strided and type(tensor) is torch.Tensor
    return Layout(tuple(tensor.shape), tensor.stride(), tensor.dtype) if plain else None
