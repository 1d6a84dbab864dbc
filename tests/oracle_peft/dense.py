"""What a weighted combination of adapters means, from merged weights alone: W + sum of w_i (W_i - W)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from .subject import build, build_base

Spec = dict[str, Any]


def combined(spec: Spec, weights: dict[str, float]) -> nn.Module:
    """The plain model whose weights are moved by every adapter's own change, times its weight."""
    model = build_base(spec)
    plain = {k: v.clone() for k, v in model.state_dict().items()}
    total = {k: v.clone() for k, v in plain.items()}
    for name, weight in weights.items():
        merged = build(spec, [name]).merge_and_unload().state_dict()
        for key, value in total.items():
            if value.is_floating_point():
                value.add_(weight * (merged[key] - plain[key]))
    with torch.no_grad():
        model.load_state_dict(total)
    return model.eval()
