"""What is too small to be an error, and float64 throughout: casts to float32 would blur every comparison.

**Relative tolerance.** See `TOLERANCE`.

**Noise.** A number that should be zero (the mean of what a LayerNorm gave, probabilities' sum less one) is
round-off, and relative to itself it is off by everything. So every output, and every op where a cause is
looked for, has an absolute floor that is measured, not assumed. Backward error analysis says that a computed
result is the exact one for operands moved by some units of round-off (Higham, Accuracy and Stability of
Numerical Algorithms, 2nd ed. 2002, 1.5 and 3.1). So the same run with every weight and every input moved by
one unit, up or down by chance, shows how far one unit reaches in that output: its condition, times the unit
(Parker, Monte Carlo Arithmetic, 1997; Vignes, A stochastic arithmetic, 1993). One draw stands for one
rounding of each product. The sums over them round again at every term: errors of n roundings of mean zero add
up to the order of sqrt(n) units (Higham and Mary, A New Approach to Probabilistic Rounding Error Analysis,
SIAM Journal on Scientific Computing 41, 2019). The small models sum over at most some 10^2 terms, and their
bound holds with a probability of nearly one for ten standard deviations: `SPREAD` = 10 * sqrt(100).
"""

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


SMALLEST_EFFECT = 1e-9
"""A change smaller than this, relative to the largest value, is no effect: round-off stays below."""

SPREAD = 100
"""Units of the run's own round-off that two runs which compute the same may be apart."""

SURELY_REAL = 1e-3
"""Absolute difference that is asked about no further, which saves the run that measures the noise.

One unit of round-off is 1.1e-16 (float32: 6e-8). To come from `SPREAD` units, this needs a condition of 10^11
(float32: 10^2), where no comparison could tell anything.
"""


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


def deviation(actual: torch.Tensor, expected: torch.Tensor, noise: float = 0.0) -> float:
    """Largest absolute difference relative to the largest expected value; inf when shapes differ.

    NaN and infinity agree with themselves only. No absolute difference up to `noise` counts.
    """
    off, scale = _difference(actual, expected)
    return 0.0 if off <= noise else off / (scale or 1.0)


def distance(actual: torch.Tensor, expected: torch.Tensor) -> float:
    """Largest absolute difference, infinite as in `deviation`."""
    return _difference(actual, expected)[0]


def _difference(actual: torch.Tensor, expected: torch.Tensor) -> tuple[float, float]:
    """The largest absolute difference, and the largest expected value."""
    if actual.shape != expected.shape:
        return float("inf"), 1.0
    if actual.numel() == 0:
        return 0.0, 1.0
    if not actual.is_floating_point():
        return (0.0 if torch.equal(actual, expected) else float("inf")), 1.0
    a, e = actual.double(), expected.double()
    odd = ~(a.isfinite() & e.isfinite())
    if bool(odd.any()):
        same = (a == e) | (a.isnan() & e.isnan())
        if not bool(same[odd].all()):
            return float("inf"), 1.0
        a, e = a.masked_fill(odd, 0.0), e.masked_fill(odd, 0.0)
    return float((a - e).abs().max()), float(e.abs().max())
