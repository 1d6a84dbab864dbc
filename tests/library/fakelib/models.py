"""The library's users: a model that runs its adapters side by side, and one that swaps the lanes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

WIDTH, VOCABULARY = 8, 32


class Layer(nn.Module):
    """A linear map, and small maps that are added to it: one for all rows, or one for each lane."""

    def __init__(self) -> None:
        super().__init__()
        self.base = nn.Linear(WIDTH, WIDTH)
        self.adapters = nn.ModuleDict()
        self.active: tuple[str, ...] = ()

    def forward(self, states: torch.Tensor, rows: int) -> torch.Tensor:
        """[rows, S, WIDTH], or lanes * rows from the first layer with several active adapters on."""
        if len(self.active) > 1 and states.shape[0] == rows:
            states = states.repeat(len(self.active), 1, 1)
        out = torch.tanh(self.base(states))
        if not self.active:
            return out
        lanes = [
            self.adapters[n](part)
            for n, part in zip(self.active, states.chunk(len(self.active)), strict=True)
        ]
        return out + self.gather(lanes)

    def gather(self, lanes: list[torch.Tensor]) -> torch.Tensor:
        """The lanes one below the other."""
        return torch.cat(lanes)


class SwappingLayer(Layer):
    """Puts the lanes together in the wrong order."""

    def gather(self, lanes: list[torch.Tensor]) -> torch.Tensor:
        """The last lane first."""
        return torch.cat(lanes[::-1])


class Model(nn.Module):
    """Two layers on token embeddings."""

    layer = Layer

    def __init__(self) -> None:
        super().__init__()
        self.config = SimpleNamespace(vocab_size=VOCABULARY, model_type="fake")
        self.embeddings = nn.Embedding(VOCABULARY, WIDTH)
        self.layers = nn.ModuleList([self.layer(), self.layer()])

    def get_input_embeddings(self) -> nn.Module:
        return self.embeddings

    def forward(self, input_ids: torch.Tensor, attention_mask: Any = None) -> dict[str, torch.Tensor]:
        states = self.embeddings(input_ids)
        for layer in self.layers:
            states = layer(states, input_ids.shape[0])
        return {"states": states}


class SwappingModel(Model):
    """Its lanes are in the wrong order from the second layer on."""

    def __init__(self) -> None:
        super().__init__()
        self.layers[1] = SwappingLayer()


def healthy() -> Model:
    torch.manual_seed(0)
    return Model().eval()


def swapping() -> Model:
    torch.manual_seed(0)
    return SwappingModel().eval()
