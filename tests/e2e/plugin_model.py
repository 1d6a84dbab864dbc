"""A model class of one's own, with adapters by the plug-in interface: `plugin_model:healthy` and others."""

from __future__ import annotations

from typing import Any

import adapters
import torch
from adapters import AdapterModelInterface
from adapters.composition import SUPPORTED_MODELS, Parallel
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

INTERFACE = AdapterModelInterface(
    adapter_methods=["bottleneck", "lora", "reft", "invertible"],
    model_embeddings="words",
    model_layers="blocks",
    layer_self_attn="look",
    layer_cross_attn=None,
    attn_k_proj="keys",
    attn_q_proj="queries",
    attn_v_proj="values",
    attn_o_proj="mix",
    layer_intermediate_proj="up",
    layer_output_proj="down",
    layer_pre_self_attn="norm_1",
    layer_pre_ffn="norm_2",
)


class OwnConfig(PretrainedConfig):
    """Sizes of a small encoder that transformers does not know."""

    model_type = "my-own-encoder"

    def __init__(self, stale: bool = False, **more: Any) -> None:
        super().__init__(**more)
        self.vocab_size, self.hidden_size, self.heads, self.num_hidden_layers = 61, 32, 4, 2
        self.stale = stale
        """Whether the attention reads the batch size before the adapters have replicated the rows."""


class OwnAttention(nn.Module):
    """Attention over all tokens."""

    def __init__(self, config: OwnConfig) -> None:
        super().__init__()
        self.heads, self.stale = config.heads, config.stale
        self.queries, self.keys, self.values, self.mix = (
            nn.Linear(config.hidden_size, config.hidden_size) for _ in range(4)
        )

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """[B, S, H] to [B, S, H]."""
        rows, width = hidden.shape[0], hidden.shape[-1]

        def split(states: torch.Tensor) -> torch.Tensor:
            batch = rows if self.stale else states.shape[0]
            return states.view(batch, -1, self.heads, width // self.heads).transpose(1, 2)

        parts = self.queries(hidden), self.keys(hidden), self.values(hidden)
        query, key, value = (split(states) for states in adapters_match(*parts))
        mixed = nn.functional.scaled_dot_product_attention(query, key, value)
        return self.mix(mixed.transpose(1, 2).reshape(mixed.shape[0], -1, width))


def adapters_match(*states: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Rows of the projections without an adapter of their own are replicated like those with one."""
    lanes = max(s.shape[0] for s in states)
    return tuple(s.repeat(lanes // s.shape[0], *[1] * (s.dim() - 1)) for s in states)


class OwnBlock(nn.Module):
    """Attention and a feed-forward network, each behind a norm."""

    def __init__(self, config: OwnConfig) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(config.hidden_size), nn.LayerNorm(config.hidden_size)
        self.look = OwnAttention(config)
        self.up = nn.Linear(config.hidden_size, 48)
        self.down = nn.Linear(48, config.hidden_size)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """[B, S, H] to [B, S, H]."""
        attended = self.look(self.norm_1(hidden))
        if attended.shape[0] != hidden.shape[0]:
            hidden = hidden.repeat(attended.shape[0] // hidden.shape[0], 1, 1)
        hidden = hidden + attended
        changed = self.down(torch.relu(self.up(self.norm_2(hidden))))
        if changed.shape[0] != hidden.shape[0]:
            hidden = hidden.repeat(changed.shape[0] // hidden.shape[0], 1, 1)
        return hidden + changed


class OwnModel(PreTrainedModel):
    """Embeddings and blocks."""

    config_class = OwnConfig
    base_model_prefix = "own"

    def __init__(self, config: OwnConfig) -> None:
        super().__init__(config)
        self.words = nn.Embedding(config.vocab_size, config.hidden_size)
        self.blocks = nn.ModuleList(OwnBlock(config) for _ in range(config.num_hidden_layers))
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """The table of words."""
        return self.words

    def forward(self, input_ids: torch.Tensor, **_: Any) -> BaseModelOutput:
        """[B, S] to [B, S, H]."""
        hidden = self.words(input_ids)
        for block in self.blocks:
            hidden = block(hidden)
        return BaseModelOutput(last_hidden_state=hidden)


def healthy() -> nn.Module:
    """The model with adapters, as its author ships it."""
    return _adapted(OwnConfig())


def lanes() -> nn.Module:
    """The same model, declared to run Parallel."""
    _declare()
    return _adapted(OwnConfig())


def stale_lanes() -> nn.Module:
    """Declared to run Parallel, with an attention that was not written for it."""
    _declare()
    return _adapted(OwnConfig(stale=True))


def _adapted(config: OwnConfig) -> nn.Module:
    torch.manual_seed(0)
    model = OwnModel(config).eval()
    adapters.init(model, interface=INTERFACE)
    return model


def _declare() -> None:
    if OwnConfig.model_type not in SUPPORTED_MODELS[Parallel]:
        SUPPORTED_MODELS[Parallel].append(OwnConfig.model_type)
