"""What a training run learns from: every row counts alike, whatever the shape of an output."""

from __future__ import annotations

import pytest
import torch

from adapter_audit.auditor.trace.runs import execute


class Scores(torch.nn.Module):
    """Gives its inputs back, times one weight for each row."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(rows))

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"score": x * self.weight.view(-1, *[1] * (x.dim() - 1))}


@pytest.mark.parametrize("shape", [(4,), (4, 1), (4, 3)])
def test_every_row_counts_alike(shape: tuple[int, ...]) -> None:
    model = Scores(shape[0])
    execute(model, {"x": torch.ones(shape)}, "train")
    assert model.weight.grad is not None
    assert len(set(model.weight.grad.tolist())) == 1
