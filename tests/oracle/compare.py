"""Differences of outputs, relative to their scale, at the positions that count."""

from __future__ import annotations

import math

import torch

from .inputs import Tensors
from .observe import Seen

TOLERANCES = {torch.float64: 1e-4, torch.float32: 1e-3}
"""Largest difference relative to the scale of the output.

Most models agree to 1e-15 in float64; parts computed in float32 (norms, rotary angles) may leave some 1e-7.
Real errors are above 1e-2 with weights as far apart as the oracle makes them.
"""
EFFECTS = {torch.float64: 1e-9, torch.float32: 1e-7}
"""A change smaller than this, relative to scale, is no effect: a dead adapter changes nothing at all."""


def tolerance() -> float:
    """Largest difference that is no error, relative to the scale, in the dtype at work."""
    return TOLERANCES[torch.get_default_dtype()]


def smallest_effect() -> float:
    """Smallest change that is an effect, relative to the scale, in the dtype at work."""
    return EFFECTS[torch.get_default_dtype()]


def finite(seen: Seen, everywhere: bool) -> bool:
    """Whether all main outputs are finite where they count; training needs that at padded positions, too."""
    for name, value in seen.main.items():
        good = torch.isfinite(value)
        mask = None if everywhere else seen.masks.get(name)
        if mask is not None:
            good = good | (mask == 0).reshape(mask.shape + (1,) * (value.dim() - mask.dim()))
        if not bool(good.all()):
            return False
    return True


def worst_difference(one: Tensors, other: Tensors, masks: Tensors) -> float:
    """Largest relative difference over all outputs of ``other``; infinite where shapes differ."""
    worst = 0.0
    for name, value in other.items():
        if one[name].shape != value.shape:
            return math.inf
        worst = max(worst, relative(one[name], value, masks.get(name), value))
    return worst


def relative(
    value: torch.Tensor, wanted: torch.Tensor, mask: torch.Tensor | None, scale_of: torch.Tensor
) -> float:
    """Largest difference where ``mask`` is 1, relative to the scale; infinite where only one is finite."""
    value, wanted = value.detach().double(), wanted.detach().double()
    finite = torch.isfinite(wanted)
    if not torch.equal(torch.isfinite(value), finite):
        return math.inf
    difference = torch.where(finite, value - wanted, torch.zeros_like(wanted)).abs()
    if mask is not None:
        difference = difference * mask.reshape(mask.shape + (1,) * (difference.dim() - mask.dim()))
    reference = scale_of.detach().double()
    scale = (
        float(reference[torch.isfinite(reference)].abs().max())
        if bool(torch.isfinite(reference).any())
        else 1.0
    )
    return float(difference.max()) / max(scale, 1e-12) if difference.numel() else 0.0
