"""Building on meta: initial values are left out, everything else is as on a device with memory."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from adapter_audit.auditor.trace.meta.device import ValuelessDevice


def test_what_is_built_has_the_shapes_of_the_real_thing() -> None:
    with ValuelessDevice():
        found = nn.TransformerEncoderLayer(8, 2)
    expected = nn.TransformerEncoderLayer(8, 2)
    assert all(p.is_meta for p in found.parameters())
    assert {n: p.shape for n, p in found.named_parameters()} == {
        n: p.shape for n, p in expected.named_parameters()
    }


def test_orthogonal_maps_of_any_width_take_no_memory() -> None:
    wide = 1 << 20
    with ValuelessDevice():
        projection = nn.Linear(wide, 1, bias=False).to_empty(device="cpu")  # as ReFT does on meta
        found = nn.utils.parametrizations.orthogonal(projection)
    base = found.parametrizations.weight[0].base
    assert base.is_meta
    assert base.shape == (wide, wide)
    assert found.weight.shape == (1, wide)


def test_what_initialisation_refuses_is_refused() -> None:
    with ValuelessDevice(), pytest.raises(ValueError, match="fewer than 2 dimensions"):
        nn.init.kaiming_uniform_(torch.empty(3))


def test_tensors_with_memory_are_filled() -> None:
    with ValuelessDevice():
        real = torch.zeros(64, device="cpu").normal_()
    assert real.std() > 0
