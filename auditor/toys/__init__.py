"""Tiny models for the rules' cases and the tests: `adapter_audit.auditor.toys:bert` and the like.

Each function returns a new model of two layers (per side) with the structure of its real relatives, seeded
random weights and no adapters, in some milliseconds. Nothing is downloaded. Sizes are pairwise distinct
where the architecture allows it, so that shapes tell their axes apart.
"""

from __future__ import annotations

from typing import Any

WIDTH, INNER, HEADS, LAYERS, VOCABULARY, POSITIONS = 32, 48, 4, 2, 96, 64
SEED = 0


def _model(class_name: str, config_name: str, **fields: Any) -> Any:
    """The transformers class on this configuration, seeded, in eval mode."""
    import torch
    import transformers

    config = getattr(transformers, config_name)(**fields)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return getattr(transformers, class_name)(config).eval()


def bert() -> Any:
    """Encoder with absolute positions and a pooler."""
    return _model("BertModel", "BertConfig", **_encoder())


def bert_with_heads() -> Any:
    """BERT as the library's own class, to which heads can be added under names."""
    import adapters
    import torch
    import transformers

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return adapters.AutoAdapterModel.from_config(transformers.BertConfig(**_encoder())).eval()


def roberta() -> Any:
    """BERT with positions counted from the padding token on."""
    return _model("RobertaModel", "RobertaConfig", **_encoder())


def distilbert() -> Any:
    """Encoder with its own attention code and no token types."""
    return _model(
        "DistilBertModel",
        "DistilBertConfig",
        dim=WIDTH,
        hidden_dim=INNER,
        n_heads=HEADS,
        n_layers=LAYERS,
        vocab_size=VOCABULARY,
        max_position_embeddings=POSITIONS,
    )


def deberta_v2() -> Any:
    """Encoder with disentangled attention over relative positions."""
    return _model(
        "DebertaV2Model",
        "DebertaV2Config",
        **_encoder(),
        relative_attention=True,
        pos_att_type=["p2c", "c2p"],
    )


def deberta() -> Any:
    """Encoder with fused projections that have no bias, and disentangled attention."""
    return _model(
        "DebertaModel", "DebertaConfig", **_encoder(), relative_attention=True, pos_att_type=["p2c", "c2p"]
    )


def gpt2() -> Any:
    """Decoder with fused projections and absolute positions."""
    return _model(
        "GPT2LMHeadModel",
        "GPT2Config",
        n_embd=WIDTH,
        n_inner=INNER,
        n_head=HEADS,
        n_layer=LAYERS,
        vocab_size=VOCABULARY,
        n_positions=POSITIONS,
        **_specials(),
    )


def llama() -> Any:
    """Decoder with rotary positions and grouped key-value heads."""
    return _model(
        "LlamaForCausalLM",
        "LlamaConfig",
        hidden_size=WIDTH,
        intermediate_size=INNER,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS // 2,
        num_hidden_layers=LAYERS,
        vocab_size=VOCABULARY,
        max_position_embeddings=POSITIONS,
        **_specials(),
    )


def t5() -> Any:
    """Encoder-decoder with a relative position bias that layer 0 makes for all layers."""
    return _model(
        "T5ForConditionalGeneration",
        "T5Config",
        d_model=WIDTH,
        d_kv=WIDTH // HEADS,
        d_ff=INNER,
        num_heads=HEADS,
        num_layers=LAYERS,
        vocab_size=VOCABULARY,
        pad_token_id=0,
        eos_token_id=1,
        decoder_start_token_id=0,
    )


def bart() -> Any:
    """Encoder-decoder with learned positions."""
    return _model("BartForConditionalGeneration", "BartConfig", **_pair())


def mbart() -> Any:
    """BART with the normalisation first."""
    return _model("MBartForConditionalGeneration", "MBartConfig", **_pair())


def vit() -> Any:
    """Image encoder: four patches and a class token."""
    fields = {k: v for k, v in _encoder().items() if k not in ("vocab_size", "max_position_embeddings")}
    return _model("ViTModel", "ViTConfig", **fields, image_size=16, patch_size=8)


def _encoder() -> dict[str, Any]:
    return {
        "hidden_size": WIDTH,
        "intermediate_size": INNER,
        "num_attention_heads": HEADS,
        "num_hidden_layers": LAYERS,
        "vocab_size": VOCABULARY,
        "max_position_embeddings": POSITIONS,
    }


def _pair() -> dict[str, Any]:
    return {
        "d_model": WIDTH,
        "encoder_layers": LAYERS,
        "decoder_layers": LAYERS,
        "encoder_attention_heads": HEADS,
        "decoder_attention_heads": HEADS,
        "encoder_ffn_dim": INNER,
        "decoder_ffn_dim": INNER,
        "vocab_size": VOCABULARY,
        "max_position_embeddings": POSITIONS,
        **_specials(),
        "decoder_start_token_id": 2,
        "forced_eos_token_id": 2,
    }


def _specials() -> dict[str, int]:
    return {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}
