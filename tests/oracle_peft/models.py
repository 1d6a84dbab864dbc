"""Tiny models of the grid: configurations, and what is called how inside of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HIDDEN, HEADS, INTER, VOCAB = 32, 4, 40, 61
_NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "classifier_dropout": None}
_BERT = {
    "vocab_size": VOCAB,
    "hidden_size": HIDDEN,
    "num_hidden_layers": 2,
    "num_attention_heads": HEADS,
    "intermediate_size": INTER,
    "max_position_embeddings": 40,
    "type_vocab_size": 2,
    "pad_token_id": 0,
    "num_labels": 3,
    **_NO_DROPOUT,
}
_LLAMA = {
    "vocab_size": VOCAB,
    "hidden_size": HIDDEN,
    "num_hidden_layers": 2,
    "num_attention_heads": HEADS,
    "num_key_value_heads": HEADS,
    "intermediate_size": INTER,
    "max_position_embeddings": 40,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "attention_dropout": 0.0,
    "tie_word_embeddings": False,
    "num_labels": 3,
}
_GPT2 = {
    "vocab_size": VOCAB,
    "n_embd": HIDDEN,
    "n_layer": 2,
    "n_head": HEADS,
    "n_positions": 40,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "resid_pdrop": 0.0,
    "embd_pdrop": 0.0,
    "attn_pdrop": 0.0,
    "tie_word_embeddings": False,
    "num_labels": 3,
}
_OPT = {
    "vocab_size": VOCAB,
    "hidden_size": HIDDEN,
    "word_embed_proj_dim": HIDDEN,
    "num_hidden_layers": 2,
    "num_attention_heads": HEADS,
    "ffn_dim": INTER,
    "max_position_embeddings": 40,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "dropout": 0.0,
    "attention_dropout": 0.0,
    "tie_word_embeddings": False,
    "num_labels": 3,
}
_T5 = {
    "vocab_size": VOCAB,
    "d_model": HIDDEN,
    "d_kv": 8,
    "d_ff": INTER,
    "num_layers": 2,
    "num_decoder_layers": 2,
    "num_heads": HEADS,
    "relative_attention_num_buckets": 8,
    "relative_attention_max_distance": 16,
    "dropout_rate": 0.0,
    "pad_token_id": 0,
    "eos_token_id": 1,
    "decoder_start_token_id": 0,
    "tie_word_embeddings": False,
    "num_labels": 3,
}
_BART = {
    "vocab_size": VOCAB,
    "d_model": HIDDEN,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": HEADS,
    "decoder_attention_heads": HEADS,
    "encoder_ffn_dim": INTER,
    "decoder_ffn_dim": INTER,
    "max_position_embeddings": 40,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "decoder_start_token_id": 2,
    "forced_eos_token_id": None,
    "dropout": 0.0,
    "attention_dropout": 0.0,
    "activation_dropout": 0.0,
    "classifier_dropout": 0.0,
    "tie_word_embeddings": False,
    "num_labels": 3,
}
_VIT = {
    "hidden_size": HIDDEN,
    "num_hidden_layers": 2,
    "num_attention_heads": HEADS,
    "intermediate_size": INTER,
    "image_size": 8,
    "patch_size": 4,
    "num_channels": 3,
    "num_labels": 3,
    **_NO_DROPOUT,
}


@dataclass(frozen=True)
class Model:
    """One tiny model: its configuration, and the names a tuner's arguments need."""

    model_type: str
    config: dict[str, Any]
    heads: tuple[str, ...]
    targets: tuple[str, ...]
    """Linear (or Conv1D) modules, an attention projection first and a feed-forward module last."""
    embedding: str
    norms: tuple[str, ...]
    classifier: str = "classifier"
    """The module that a user trains along (`modules_to_save`) under a classification head."""
    square: tuple[str, ...] = ()
    """Those of `targets` whose input and output sizes are equal."""


MODELS: dict[str, Model] = {
    "bert": Model(
        "bert",
        _BERT,
        ("", "SequenceClassification", "TokenClassification"),
        ("query", "value", "intermediate.dense"),
        "word_embeddings",
        ("LayerNorm",),
        square=("query", "value"),
    ),
    "roberta": Model(
        "roberta",
        _BERT | {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2},
        ("", "SequenceClassification"),
        ("query", "value", "intermediate.dense"),
        "word_embeddings",
        ("LayerNorm",),
        square=("query", "value"),
    ),
    "distilbert": Model(
        "distilbert",
        {
            "vocab_size": VOCAB,
            "dim": HIDDEN,
            "n_layers": 2,
            "n_heads": HEADS,
            "hidden_dim": INTER,
            "max_position_embeddings": 40,
            "pad_token_id": 0,
            "dropout": 0.0,
            "attention_dropout": 0.0,
            "seq_classif_dropout": 0.0,
            "num_labels": 3,
        },
        ("", "SequenceClassification"),
        ("q_lin", "v_lin", "lin1"),
        "word_embeddings",
        ("sa_layer_norm",),
        square=("q_lin", "v_lin"),
    ),
    "gpt2": Model(
        "gpt2",
        _GPT2,
        ("", "CausalLM", "SequenceClassification"),
        ("c_attn", "c_fc"),
        "wte",
        ("ln_1",),
        "score",
    ),
    "gpt2-tied": Model(
        "gpt2",
        _GPT2 | {"tie_word_embeddings": True},
        ("CausalLM",),
        ("c_attn", "c_fc"),
        "wte",
        ("ln_1",),
    ),
    "opt": Model(
        "opt",
        _OPT,
        ("", "CausalLM"),
        ("q_proj", "v_proj", "fc1"),
        "embed_tokens",
        ("self_attn_layer_norm",),
        square=("q_proj", "v_proj"),
    ),
    "llama": Model(
        "llama",
        _LLAMA,
        ("", "CausalLM", "SequenceClassification"),
        ("q_proj", "v_proj", "up_proj"),
        "embed_tokens",
        ("input_layernorm",),
        "score",
        square=("q_proj", "v_proj"),
    ),
    "llama-tied": Model(
        "llama",
        _LLAMA | {"tie_word_embeddings": True},
        ("CausalLM",),
        ("q_proj", "v_proj", "up_proj"),
        "embed_tokens",
        ("input_layernorm",),
        square=("q_proj", "v_proj"),
    ),
    "qwen2": Model(
        "qwen2",
        _LLAMA | {"num_key_value_heads": 2},
        ("", "CausalLM", "SequenceClassification"),
        ("q_proj", "v_proj", "up_proj"),
        "embed_tokens",
        ("input_layernorm",),
        "score",
        square=("q_proj",),
    ),
    "qwen3": Model(
        "qwen3",
        _LLAMA | {"num_key_value_heads": 2, "head_dim": 8},
        ("", "CausalLM"),
        ("q_proj", "v_proj", "up_proj"),
        "embed_tokens",
        ("input_layernorm",),
        "score",
        square=("q_proj",),
    ),
    "mistral": Model(
        "mistral",
        _LLAMA | {"num_key_value_heads": 2, "sliding_window": None},
        ("", "CausalLM"),
        ("q_proj", "v_proj", "up_proj"),
        "embed_tokens",
        ("input_layernorm",),
        "score",
        square=("q_proj",),
    ),
    "t5": Model(
        "t5",
        _T5,
        ("", "Seq2SeqLM"),
        ("q", "v", "wi"),
        "shared",
        ("layer_norm",),
        square=("q", "v"),
    ),
    "bart": Model(
        "bart",
        _BART,
        ("", "Seq2SeqLM", "SequenceClassification"),
        ("q_proj", "v_proj", "fc1"),
        "shared",
        ("self_attn_layer_norm",),
        "classification_head",
        square=("q_proj", "v_proj"),
    ),
    "vit": Model(
        "vit",
        _VIT,
        ("", "ImageClassification"),
        ("query", "value", "intermediate.dense"),
        "",
        ("layernorm_before",),
        square=("query", "value"),
    ),
}


def write(folder: Path) -> dict[str, Path]:
    """Write one directory with a `config.json` a model; returns them by name."""
    written = {}
    for name, model in MODELS.items():
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"model_type": model.model_type, **model.config}, indent=1, sort_keys=True)
        (place / "config.json").write_text(text + "\n")
        written[name] = place
    return written
