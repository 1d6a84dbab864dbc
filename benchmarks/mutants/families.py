"""Six model families as tiny configurations, and the specs that defects share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FAMILIES = ("bert", "t5", "bart", "gpt2", "llama", "vit")
ENCODER_DECODERS = ("t5", "bart")
DECODERS = ("gpt2", "llama")
TEXT = ("bert", "t5", "bart", "gpt2", "llama")
GENERATING = ("t5", "bart", "gpt2", "llama")

_TOKENS = {"vocab_size": 61, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
_WIDTHS = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 40}
_CONFIGS: dict[str, dict[str, Any]] = {
    "bert": {**_TOKENS, **_WIDTHS, "max_position_embeddings": 40},
    "t5": {
        **_TOKENS,
        "d_model": 32,
        "d_kv": 8,
        "d_ff": 40,
        "num_layers": 2,
        "num_heads": 4,
        "relative_attention_num_buckets": 8,
        "decoder_start_token_id": 0,
    },
    "bart": {
        **_TOKENS,
        "d_model": 32,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 4,
        "encoder_ffn_dim": 40,
        "decoder_ffn_dim": 44,
        "max_position_embeddings": 40,
        "decoder_start_token_id": 2,
        "forced_eos_token_id": None,
    },
    "gpt2": {**_TOKENS, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 40},
    "llama": {**_TOKENS, **_WIDTHS, "num_key_value_heads": 2, "max_position_embeddings": 40},
    "vit": {**_WIDTHS, "image_size": 8, "patch_size": 4, "num_channels": 3},
}

PARALLEL = "parallel(a,b)"


def write_models(folder: Path) -> None:
    """Make a directory with a config.json for every family."""
    for family, config in _CONFIGS.items():
        (folder / family).mkdir()
        text = json.dumps({"model_type": family, **config})
        (folder / family / "config.json").write_text(text, encoding="utf-8")


def specs(families: tuple[str, ...], **fields: Any) -> dict[str, dict[str, Any]]:
    """The same spec for some families."""
    return {family: dict(fields) for family in families}


def lora(
    families: tuple[str, ...] = FAMILIES, compose: str = PARALLEL, **fields: Any
) -> dict[str, dict[str, Any]]:
    """LoRA in the attention; in the feed-forward layers where the fused projections refuse compositions."""
    made = specs(families, compose=compose, adapter="lora", **fields)
    if "gpt2" in made:
        made["gpt2"]["adapter"] = "lora[selfattn_lora=False,intermediate_lora=True,output_lora=True]"
    return made


def bottleneck(
    families: tuple[str, ...] = FAMILIES, compose: str = PARALLEL, **fields: Any
) -> dict[str, dict[str, Any]]:
    """Sequential bottleneck adapters after attention and feed-forward."""
    return specs(families, compose=compose, adapter="double_seq_bn", **fields)


def prefix(
    families: tuple[str, ...] = FAMILIES, compose: str = PARALLEL, **fields: Any
) -> dict[str, dict[str, Any]]:
    """Prefix tuning."""
    return specs(families, compose=compose, adapter="prefix_tuning[flat=True,prefix_length=4]", **fields)
