"""Seeded random weights: a well-conditioned base, and every adapter parameter away from its no-op value.

Fresh adapters do nothing (LoRA's B is zero, IA3's vectors are one): comparing them shows nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

ADAPTER_NOISE = 0.3
"""Standard deviation of what is added to adapter parameters, before scaling by their fan-in."""


def randomise_base(model: Any, seed: int = 0) -> None:
    """Give every parameter random values: unit-variance maps, scales near one, small biases."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(_base_values(name, parameter, generator))


def _base_values(name: str, parameter: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64).to(parameter.dtype)
    if parameter.dim() >= 2:
        fan_in = math.prod(parameter.shape[1:])
        if "embed" in name or "shared" in name or "wte" in name or "relative_attention" in name:
            return noise * 0.5
        return noise / math.sqrt(fan_in)
    if name.endswith("bias"):
        return 0.1 * noise
    return parameter.detach() * 0 + 1 + 0.1 * noise


def randomise_adapter(
    parameters: Iterable[tuple[str, Any]], seed: int, deviation: float | None = None
) -> None:
    """Move one adapter's parameters away, by an amount of their own scale or a given one."""
    generator = torch.Generator().manual_seed(10_000 + seed)
    with torch.no_grad():
        for name, parameter in parameters:
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            if "parametrizations" in name.split("."):
                # orthogonal maps are kept as Householder vectors, with signs on the diagonal
                noise.diagonal(dim1=-2, dim2=-1).zero_()
            scale = _by_fan_in(parameter) if deviation is None else deviation
            parameter.add_((noise * scale).to(parameter.dtype))


def _by_fan_in(parameter: torch.Tensor) -> float:
    return ADAPTER_NOISE / math.sqrt(parameter.shape[-1]) if parameter.dim() >= 2 else ADAPTER_NOISE


@contextmanager
def nudged(model: Any) -> Iterator[None]:
    """Every weight moved by one unit of round-off in the block, up or down by chance."""
    generator = torch.Generator().manual_seed(53)
    parameters = [p for p in model.parameters() if p.is_floating_point()]
    saved = [p.detach().clone() for p in parameters]
    with torch.no_grad():
        for parameter in parameters:
            parameter.copy_(nudge(parameter, generator))
    try:
        yield
    finally:
        with torch.no_grad():
            for parameter, value in zip(parameters, saved, strict=True):
                parameter.copy_(value)


def nudge(value: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """The value, each number moved by one unit of round-off; zero stays zero."""
    sign = torch.randint(2, value.shape, generator=generator).mul_(2).sub_(1).to(value.dtype)
    return value * (1 + sign * torch.finfo(value.dtype).eps)


@contextmanager
def moved(parameters: Sequence[tuple[str, Any]]) -> Iterator[None]:
    """Parameters perturbed in the block."""
    saved = [p.detach().clone() for _, p in parameters]
    randomise_adapter(parameters, seed=77)
    try:
        yield
    finally:
        with torch.no_grad():
            for (_, parameter), value in zip(parameters, saved, strict=True):
                parameter.copy_(value)
