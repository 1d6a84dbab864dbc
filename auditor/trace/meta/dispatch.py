"""A dispatch mode that runs ops on meta and carries the values that can be known.

The recorder is one; alone it serves to build models whose constructors read values of small tensors.
"""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ..operators import Operator, operator
from ..records import Site
from ..stack_sites import current_site
from ..tensors import tensors_in, tensors_in_call, tensors_mapped
from . import kernel_cache as kernels
from .carried_values import CARRY_LIMIT, Carrier
from .open_end import OpenEnd

NOWHERE = Site("", 0, "")
SCALAR = "aten._local_scalar_dense.default"
COPY = "aten._to_copy.default"
_INDEXING = frozenset({"aten.index.Tensor", "aten.index_put.default", "aten.index_put_.default"})
_BOUNDED = frozenset(
    {"aten.gather.default", "aten.index_select.default", "aten.index.Tensor", "aten.embedding.default"}
)
_GUESSED = (torch.int64, torch.int32, torch.bool)
GUESS_LIMIT = 1 << 16
"""Largest number of integers that is made up."""


class MetaValues(TorchDispatchMode):
    """Runs ops; see `Carrier` for what is carried."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.carrier = Carrier()
        self.token = 0
        """What is taken for a token that is chosen from unknown scores."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one op on the values at hand."""
        kwargs = kwargs or {}
        op = operator(func)
        if op.name == SCALAR:
            return self.scalar(args[0])
        return self.run(op, args, kwargs, tensors_in_call(args, kwargs))

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing here is ever compiled: spare every op the wrapper that keeps the compiler out."""
        return False

    def unknown(self, site: Site) -> None:
        """A value was asked for that nobody knows."""

    def made_up(self, site: Site) -> None:
        """An op's result, or its shape, follows from values that were made up."""
        self.unknown(site)

    def run(self, op: Operator, args: Any, kwargs: Any, operands: list[torch.Tensor]) -> Any:
        """One op, on meta and, where all values are known, on them too."""
        if not _on_meta(operands, kwargs):
            return op.run(*args, **kwargs)
        known = all(map(self.carrier.knows, operands))
        if op.asks_values and self._is_open(op, args, operands):
            self.made_up(current_site(sys._getframe(2)) or NOWHERE)
        if op.name in _INDEXING:
            args = self._plain_indices(args)
        if op.name in _BOUNDED:
            self._check_bounds(op.name, args)
        if op.name == COPY and not known:
            kwargs = _kept_on_meta(kwargs)
        try:
            out = kernels.call(op, args, kwargs)
        except Exception as error:
            values = self.carrier.real_call(op.run, args, kwargs)  # raises the real error, if it is one
            if values is not None:
                return self.carrier.to_meta(values)
            moved = self._on_one_device(args, kwargs)
            if moved is None:
                return self._without_kernel(op, args, kwargs, error)
            args, kwargs = moved
            out = kernels.call(op, args, kwargs)
        self._carry(op, args, kwargs, out, known=known)
        return out

    def _is_open(self, op: Operator, args: Any, operands: list[torch.Tensor]) -> bool:
        """Whether values that decide about the op's result are made up. Integer indices decide nothing."""
        if op.name in _INDEXING:
            operands = [t for t in args[1] if t is not None and t.dtype in (torch.bool, torch.uint8)]
        return any(self.carrier.is_guessed(t) or not self.carrier.knows(t) for t in operands)

    def _without_kernel(self, op: Operator, args: Any, kwargs: Any, error: Exception) -> Any:
        """What an op gives that meta cannot do without its values: that for ones, or an open end.

        Raises `error` where it is the caller's own.
        """
        if not (op.asks_values or op.random or isinstance(error, NotImplementedError)):
            raise error
        site = current_site(sys._getframe(3)) or NOWHERE
        operands = tensors_in_call(args, kwargs)
        if not (op.asks_values or op.random) or any(t.numel() > GUESS_LIMIT for t in operands):
            raise OpenEnd(
                f"what {op.name} gives at {site.file}:{site.line}, which meta cannot tell"
            ) from error
        ones = tensors_mapped((args, kwargs), self._value_or_ones)
        self.made_up(site)
        out = self.carrier.to_meta(op.run(*ones[0], **ones[1]))
        for tensor in tensors_in(out):
            self.carrier.mark_guessed(tensor)
        return out

    def _value_or_ones(self, tensor: torch.Tensor) -> torch.Tensor:
        value = self.carrier.value(tensor)
        return torch.ones(tensor.shape, dtype=tensor.dtype) if value is None else value

    def _carry(self, op: Operator, args: Any, kwargs: Any, out: Any, *, known: bool) -> None:
        outputs = tensors_in(out)
        if known and not op.random and all(t.numel() <= CARRY_LIMIT for t in outputs):
            values = self.carrier.real_call(op.run, args, kwargs)
            if values is not None:
                self.carrier.adopt(out, values.zero_() if op.uninitialised else values)
                if any(map(self.carrier.is_guessed, tensors_in_call(args, kwargs))):
                    for tensor in outputs:
                        self.carrier.mark_guessed(tensor)
                return
        if op.mutates:
            for tensor in outputs:
                self.carrier.forget(tensor)
        elif self._guess(outputs, self.token if op.chooses else 0) and op.random:
            self.made_up(current_site(sys._getframe(3)) or NOWHERE)

    def _guess(self, outputs: list[torch.Tensor], guess: int) -> bool:
        """Whether any was made up of the integers and booleans that follow from unknown numbers.

        They are the next token, "is any of it NaN", and their like.

        An ordinary token is taken for a choice, zero and False for all else, so that what follows is at
        least consistent with itself: a loop that waits for the end of a sequence must see the same
        sequence at each turn.
        """
        found = [
            t
            for t in outputs
            if t.dtype in _GUESSED and t.numel() <= GUESS_LIMIT and not self.carrier.knows(t)
        ]
        for tensor in found:
            self.carrier.attach(tensor, torch.full(tensor.shape, guess, dtype=tensor.dtype))
            self.carrier.mark_guessed(tensor)
        return bool(found)

    def _plain_indices(self, args: Any) -> Any:
        """Boolean indices with known values become integer ones: meta cannot count the True."""
        indices: list[Any] = []
        for index in args[1]:
            if index is None or index.dtype not in (torch.bool, torch.uint8) or index.device.type != "meta":
                indices.append(index)
                continue
            value = self.carrier.value(index)
            if value is None:
                return args
            indices.extend(self.carrier.to_meta(list(value.nonzero().unbind(1))))
        return (args[0], indices, *args[2:])

    def _check_bounds(self, name: str, args: Any) -> None:
        """Indices with known values are held to the size they index, which meta kernels do not do."""
        if name == "aten.index.Tensor":
            pairs = list(enumerate(args[1]))
        elif name == "aten.embedding.default":
            pairs = [(0, args[1])]
        else:
            pairs = [(args[1], args[2])]
        for axis, index in pairs:
            value = None if index is None or index.dtype != torch.int64 else self.carrier.value(index)
            size = args[0].shape[axis] if args[0].dim() else 1
            if value is not None and value.numel():
                low, high = int(value.min()), int(value.max())
                if high >= size or low < -size:
                    raise IndexError(
                        f"index {high if high >= size else low} is out of bounds "
                        f"for dimension {axis} with size {size}"
                    )

    def _on_one_device(self, args: Any, kwargs: Any) -> tuple[Any, Any] | None:
        """With real tensors that model code made on the CPU moved to meta; None when there are none.

        On the user's machine both are on one device; that they differ is only due to meta.
        """
        if all(t.is_meta for t in tensors_in_call(args, kwargs)):
            return None
        return tensors_mapped((args, kwargs), lambda t: t if t.is_meta else self.carrier.to_meta(t))  # type: ignore[no-any-return]

    def scalar(self, tensor: torch.Tensor) -> Any:
        """The value of a one-element tensor; zero where it is unknown, which is noted."""
        value = self.carrier.value(tensor)
        if value is not None:
            return value.item()
        self.unknown(current_site(sys._getframe(2)) or NOWHERE)
        return torch.zeros((), dtype=tensor.dtype).item()


def _on_meta(operands: list[torch.Tensor], kwargs: Any) -> bool:
    for tensor in operands:
        if tensor.is_meta:
            return True
    device = kwargs.get("device")
    return device is not None and torch.device(device).type == "meta"


def _kept_on_meta(kwargs: Any) -> Any:
    """`.cpu()` of an unknown value has no data to copy: the copy stays on meta."""
    device = kwargs.get("device")
    if device is None or torch.device(device).type == "meta":
        return kwargs
    return {k: v for k, v in kwargs.items() if k != "device"}
