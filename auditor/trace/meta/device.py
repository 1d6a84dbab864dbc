"""What the meta device lacks for model code, put in place while a model is built or a run is recorded.

To fill a tensor with random values does nothing there and takes a millisecond; `torch.tensor` forgets its
values, `.tolist()` and `.numpy()` read memory that is not there, and `torch.autocast("meta")`, which rotary
embeddings ask for with their tensor's device, is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._device import DeviceContext
from torch.utils._python_dispatch import _disable_current_modes

from .carried_values import Carrier
from .open_end import OpenEnd

_FILLS: frozenset[Any] = frozenset(
    (torch.Tensor.normal_, torch.Tensor.uniform_, torch.nn.init.normal_, torch.nn.init.uniform_)
)
_SCALED_FILLS: frozenset[Any] = frozenset((torch.nn.init.kaiming_uniform_,))
"""Refused for tensors of fewer than two axes."""


class ValuelessDevice(DeviceContext):
    """`torch.device("meta")` as a context for building models: what only makes initial values is left out.

    Random fills, copies to a device that has memory (for values that meta tensors have not), and the QR
    factors that orthogonal parametrizations start from, which meta has no kernel for.
    """

    def __init__(self) -> None:
        super().__init__(torch.device("meta"))

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one function of torch, unless all that it gives is values."""
        kwargs = kwargs or {}
        if func in _FILLS or func in _SCALED_FILLS:
            tensor = args[0] if args else kwargs["tensor"]
            if tensor.is_meta and (func in _FILLS or tensor.dim() > 1):
                return tensor
        elif func is torch.geqrf and args[0].is_meta:
            return torch.empty_like(args[0]), args[0].new_empty(
                (*args[0].shape[:-2], min(args[0].shape[-2:]))
            )
        elif func is torch.empty_like and args[0].is_meta:
            kwargs = {**kwargs, "device": self.device}
        return super().__torch_function__(func, types, args, kwargs)  # type: ignore[no-untyped-call]


@contextmanager
def values_on_meta(carrier: Carrier) -> Iterator[None]:
    """Let meta tensors give and keep the values that `carrier` knows, in the block."""
    autocast = torch.amp.autocast_mode.autocast
    places: list[tuple[Any, str, Any]] = [
        (torch, "tensor", _tensor(carrier, torch.tensor)),
        (torch.Tensor, "tolist", _reader(carrier, torch.Tensor.tolist)),
        (torch.Tensor, "numpy", _reader(carrier, torch.Tensor.numpy)),
        (autocast, "__init__", _autocast(autocast.__init__)),
    ]
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in places]
    for owner, name, replacement in places:
        setattr(owner, name, replacement)
    try:
        yield
    finally:
        for owner, name, original in before:
            setattr(owner, name, original)


def _tensor(carrier: Carrier, original: Any) -> Any:
    def tensor(data: Any, *, device: Any = None, **options: Any) -> torch.Tensor:
        if device is None or torch.device(device).type != "meta":
            return original(data, device=device, **options)  # type: ignore[no-any-return]
        with _disable_current_modes():
            value = original(data, device="cpu", **options)
            return carrier.to_meta(value)  # type: ignore[no-any-return]

    return tensor


def _reader(carrier: Carrier, original: Any) -> Any:
    def read(tensor: torch.Tensor, *arguments: Any, **options: Any) -> Any:
        value = carrier.value(tensor)
        if value is None:
            raise OpenEnd(
                f"the values of a tensor of shape {list(tensor.shape)} read by {original.__name__}()"
            )
        return original(value, *arguments, **options)

    return read


def _autocast(original: Any) -> Any:
    def init(self: Any, device_type: str, *arguments: Any, **options: Any) -> None:
        original(self, "cpu" if device_type == "meta" else device_type, *arguments, **options)

    return init
