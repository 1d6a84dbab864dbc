"""Real values for meta tensors whose values can be known: inputs, masks, positions.

Mask code asks tensors for their values (`.item()`, `.all()`, boolean indexing), which the meta device
refuses. A *carried* value is a real CPU tensor that shadows a meta tensor's storage, so that views and
in-place ops keep aliasing as they do for real. An op whose tensor operands all carry values is computed
on them too; parameters and activations carry nothing and stay free.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._pytree import tree_leaves

from ..tensors import tensors_mapped
from .open_end import OpenEnd

CARRY_LIMIT = 1 << 22
"""Largest number of elements that is carried (a mask of 2048 x 2048); larger values are unknown."""


class Carrier:
    """The shadow values of one run, by storage."""

    def __init__(self) -> None:
        # Meta storages are kept alive beside their shadow: a freed address could be reused by another.
        self._shadows: dict[int, tuple[torch.UntypedStorage, torch.Tensor]] = {}
        self._guessed: set[int] = set()
        """Storages whose shadow was made up, or follows from one that was."""

    def attach(self, meta: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        """Let `meta` (same shape) carry `value`; returns `meta`."""
        base = torch.empty(0, dtype=value.dtype)
        needed = meta.untyped_storage().nbytes() // max(1, meta.element_size())
        # The rest of a storage that `meta` is only a part of is taken for zero, not for what memory holds.
        base.set_(torch.zeros(needed, dtype=value.dtype).untyped_storage())
        storage = meta.untyped_storage()
        self._shadows[storage._cdata] = (storage, base)
        view = base.as_strided(meta.shape, meta.stride(), meta.storage_offset())
        # `expand`ed outputs overlap themselves; writing element by element is fine, the values agree.
        if meta.numel():
            _write(view, value)
        return meta

    def value(self, tensor: torch.Tensor) -> torch.Tensor | None:
        """The real value of a tensor, or None when it is unknown."""
        if not tensor.is_meta:
            return tensor
        if tensor.layout is not torch.strided:
            return None
        found = self._shadows.get(tensor.untyped_storage()._cdata)
        if found is None or found[1].dtype != tensor.dtype:
            return None
        return found[1].as_strided(tensor.shape, tensor.stride(), tensor.storage_offset())

    def knows(self, tensor: torch.Tensor) -> bool:
        """Whether the tensor's value is known (cheaper than `value`)."""
        if not tensor.is_meta:
            return True
        return tensor.layout is torch.strided and tensor.untyped_storage()._cdata in self._shadows

    def is_guessed(self, tensor: torch.Tensor) -> bool:
        """Whether the tensor's value was made up, or follows from such a one."""
        if not self._guessed or not tensor.is_meta or tensor.layout is not torch.strided:
            return False
        return tensor.untyped_storage()._cdata in self._guessed

    def mark_guessed(self, tensor: torch.Tensor) -> None:
        """The tensor's value was made up."""
        if tensor.is_meta and tensor.layout is torch.strided:
            self._guessed.add(tensor.untyped_storage()._cdata)

    def forget(self, tensor: torch.Tensor) -> None:
        """The tensor was written with an unknown value."""
        if tensor.is_meta and tensor.layout is torch.strided:
            self._shadows.pop(tensor.untyped_storage()._cdata, None)
            self._guessed.discard(tensor.untyped_storage()._cdata)

    def real_call(self, func: Any, args: Any, kwargs: Any) -> Any | None:
        """Run `func` on the carried values; None when an operand has none.

        Errors of the real run are the caller's own errors and propagate.
        """
        missing = False

        def real(tensor: torch.Tensor) -> torch.Tensor:
            nonlocal missing
            value = self.value(tensor)
            if value is None:
                missing = True
                return tensor
            return value

        real_args, real_kwargs = tensors_mapped((args, kwargs), real)
        if missing:
            return None
        if "device" in real_kwargs:
            real_kwargs = {**real_kwargs, "device": torch.device("cpu")}
        return func(*real_args, **real_kwargs)

    def adopt(self, outputs: Any, values: Any) -> None:
        """Attach the values of a real run to the outputs of the meta run, leaf by leaf."""
        for meta, value in zip(tree_leaves(outputs), tree_leaves(values), strict=True):
            if not isinstance(meta, torch.Tensor) or not meta.is_meta:
                continue
            if meta.untyped_storage()._cdata in self._shadows:
                continue  # a view or an in-place result: the shadow storage was written already
            if meta.shape == value.shape and meta.numel() <= CARRY_LIMIT:
                self.attach(meta, value.to(meta.dtype))

    def to_meta(self, value: Any) -> Any:
        """Meta twins of real tensors that carry them."""
        return tensors_mapped(value, self._one_to_meta)

    def _one_to_meta(self, value: torch.Tensor) -> torch.Tensor:
        if value.layout is not torch.strided:
            raise OpenEnd(f"what follows from a tensor of layout {value.layout}, which meta cannot keep")
        return self.attach(torch.empty_like(value, device="meta"), value)


def _write(view: torch.Tensor, value: torch.Tensor) -> None:
    overlaps = any(stride == 0 and size > 1 for stride, size in zip(view.stride(), view.shape, strict=True))
    if not overlaps:
        view.copy_(value)
        return
    index = tuple(0 if s == 0 else slice(None) for s in view.stride())
    view[index].copy_(value[index])
