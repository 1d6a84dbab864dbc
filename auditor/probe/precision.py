"""Keeps a probe in float64: model code casts to float32 for speed, which would blur every comparison."""

from __future__ import annotations

from typing import Any

import torch
from torch.overrides import TorchFunctionMode

TOLERANCE = 1e-5
"""Largest deviation, relative to the largest value, that is no error.

Sums over at most some 10^4 terms through some 10^3 ops in float64 (unit round-off 1.1e-16) differ by less
than 10^-9 when their order changes; a real error moves outputs by the adapters' size, some 10^-2. What
lies between is real but drowned by a normalisation layer behind it: no user would see it.
"""

SINGLE_TOLERANCE = 1e-3
"""The same for float32 (round-off 6e-8), where float64 cannot be kept."""


class KeepDouble(TorchFunctionMode):
    """Turns every mention of float32 into float64: casts, dtypes of new tensors."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Rewrite target dtypes."""
        kwargs = kwargs or {}
        if func is torch.Tensor.float:
            return args[0].double()
        for a in args:  # a generator would cost a tenth of all that a probe does
            if a is torch.float32:
                args = tuple(torch.float64 if a is torch.float32 else a for a in args)
                break
        if kwargs.get("dtype") is torch.float32:
            kwargs = {**kwargs, "dtype": torch.float64}
        return func(*args, **kwargs)


def deviation(actual: torch.Tensor, expected: torch.Tensor) -> float:
    """Largest absolute difference relative to the largest expected value; inf when shapes differ.

    NaN and infinity agree with themselves only.
    """
    if actual.shape != expected.shape:
        return float("inf")
    if actual.numel() == 0:
        return 0.0
    if not actual.is_floating_point():
        return 0.0 if torch.equal(actual, expected) else float("inf")
    a, e = actual.double(), expected.double()
    odd = ~(a.isfinite() & e.isfinite())
    if bool(odd.any()):
        same = (a == e) | (a.isnan() & e.isnan())
        if not bool(same[odd].all()):
            return float("inf")
        a, e = a.masked_fill(odd, 0.0), e.masked_fill(odd, 0.0)
    scale = float(e.abs().max())
    return float((a - e).abs().max()) / (scale or 1.0)
