"""Tiny configurations of every model the grid covers: small widths, few layers, distinct sizes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HIDDEN, HEADS, INTER, VOCAB = 32, 4, 40, 61
_BERT = {
    "vocab_size": VOCAB,
    "hidden_size": HIDDEN,
    "num_hidden_layers": 2,
    "num_attention_heads": HEADS,
    "intermediate_size": INTER,
    "max_position_embeddings": 40,
    "type_vocab_size": 2,
    "pad_token_id": 0,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "num_labels": 2,
}
_ROBERTA = _BERT | {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
_BART = {
    "vocab_size": VOCAB,
    "d_model": HIDDEN,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "encoder_attention_heads": HEADS,
    "decoder_attention_heads": HEADS,
    "encoder_ffn_dim": INTER,
    "decoder_ffn_dim": INTER + 4,
    "max_position_embeddings": 40,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "decoder_start_token_id": 2,
    "dropout": 0.0,
    "attention_dropout": 0.0,
    "activation_dropout": 0.0,
    "encoder_layerdrop": 0.0,
    "decoder_layerdrop": 0.0,
    "forced_eos_token_id": None,
    "num_labels": 2,
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
    "num_labels": 2,
}
_T5 = {
    "vocab_size": VOCAB,
    "d_model": HIDDEN,
    "d_kv": 8,
    "d_ff": INTER,
    "num_layers": 2,
    "num_decoder_layers": 3,
    "num_heads": HEADS,
    "relative_attention_num_buckets": 8,
    "relative_attention_max_distance": 16,
    "dropout_rate": 0.0,
    "pad_token_id": 0,
    "eos_token_id": 1,
    "decoder_start_token_id": 0,
    "num_labels": 2,
}
_VIT = {
    "hidden_size": HIDDEN,
    "num_hidden_layers": 2,
    "num_attention_heads": HEADS,
    "intermediate_size": INTER,
    "image_size": 8,
    "patch_size": 4,
    "num_channels": 3,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "num_labels": 2,
}
_CLIP_TEXT = {
    "vocab_size": VOCAB,
    "hidden_size": HIDDEN,
    "intermediate_size": INTER,
    "num_hidden_layers": 2,
    "num_attention_heads": HEADS,
    "max_position_embeddings": 40,
    "projection_dim": 16,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "attention_dropout": 0.0,
}
_CLIP_VISION = {
    "hidden_size": HIDDEN,
    "intermediate_size": INTER,
    "num_hidden_layers": 2,
    "num_attention_heads": HEADS,
    "image_size": 8,
    "patch_size": 4,
    "projection_dim": 16,
    "attention_dropout": 0.0,
}
_DEBERTA = _BERT | {
    "relative_attention": True,
    "pos_att_type": ["c2p", "p2c"],
    "position_biased_input": False,
}
_ENCODER_HEADS = ("SequenceClassification", "TokenClassification", "QuestionAnswering", "MaskedLM")
_DECODER_HEADS = ("CausalLM", "SequenceClassification")
_SEQ2SEQ_HEADS = ("Seq2SeqLM", "SequenceClassification", "QuestionAnswering")


@dataclass(frozen=True)
class TinyModel:
    """One model of the grid: its configuration and what can be asked of it."""

    config: dict[str, Any]
    kind: str
    """``encoder``, ``decoder``, ``seq2seq``, ``vision``, ``audio`` or ``dual``."""
    heads: tuple[str, ...] = ()
    since: str = "0.2.0"
    """Release that can load and adapt it; 1.2.0 brought the plug-in interface."""


def _model(
    model_type: str, base: dict[str, Any], kind: str, heads: tuple[str, ...], **more: Any
) -> TinyModel:
    return TinyModel({"model_type": model_type, **base, **more}, kind, heads)


def _plugin(model_type: str, kind: str, heads: tuple[str, ...], **more: Any) -> TinyModel:
    return TinyModel(
        {"model_type": model_type, **_LLAMA, "num_key_value_heads": 2, **more}, kind, heads, "1.2.0"
    )


MODELS: dict[str, TinyModel] = {
    "albert": _model(
        "albert", _BERT, "encoder", _ENCODER_HEADS, embedding_size=16, classifier_dropout_prob=0.0
    ),
    "albert-groups": _model(
        "albert", _BERT, "encoder", (), embedding_size=16, num_hidden_layers=4, num_hidden_groups=2
    ),
    "bart": _model("bart", _BART, "seq2seq", _SEQ2SEQ_HEADS),
    "bert": _model("bert", _BERT, "encoder", _ENCODER_HEADS),
    "bert-decoder": _model("bert", _BERT, "decoder", ("CausalLM",), is_decoder=True, num_hidden_layers=3),
    "bert-generation": _model("bert-generation", _BERT, "encoder", (), bos_token_id=1, eos_token_id=2),
    "beit": _model(
        "beit", _VIT, "vision", ("ImageClassification",), drop_path_rate=0.0, use_mask_token=False
    ),
    "beit-relative": _model("beit", _VIT, "vision", (), drop_path_rate=0.0, use_relative_position_bias=True),
    "clip": TinyModel(
        {
            "model_type": "clip",
            "text_config": _CLIP_TEXT,
            "vision_config": _CLIP_VISION,
            "projection_dim": 16,
        },
        "dual",
    ),
    "clip-text": TinyModel({"model_type": "clip_text_model", **_CLIP_TEXT}, "encoder", since="1.0.1"),
    "clip-vision": _model("clip_vision_model", _CLIP_VISION, "vision", ()),
    "deberta": _model("deberta", _DEBERTA, "encoder", _ENCODER_HEADS),
    "deberta-v2": _model("deberta-v2", _DEBERTA, "encoder", _ENCODER_HEADS),
    "distilbert": _model(
        "distilbert",
        {},
        "encoder",
        _ENCODER_HEADS,
        vocab_size=VOCAB,
        dim=HIDDEN,
        hidden_dim=INTER,
        n_layers=2,
        n_heads=HEADS,
        max_position_embeddings=40,
        pad_token_id=0,
        dropout=0.0,
        attention_dropout=0.0,
        seq_classif_dropout=0.0,
        qa_dropout=0.0,
        num_labels=2,
    ),
    "electra": _model(
        "electra", _BERT, "encoder", _ENCODER_HEADS, embedding_size=16, summary_last_dropout=0.0
    ),
    "encoder-decoder": TinyModel(
        {
            "model_type": "encoder-decoder",
            "architectures": ["EncoderDecoderModel"],
            "encoder": {"model_type": "bert", **_BERT},
            "decoder": {
                "model_type": "bert",
                **_BERT,
                "num_hidden_layers": 3,
                "is_decoder": True,
                "add_cross_attention": True,
            },
            "pad_token_id": 0,
            "decoder_start_token_id": 3,
            "eos_token_id": 2,
        },
        "seq2seq",
        ("Seq2SeqLM",),
    ),
    "gpt2": _model(
        "gpt2",
        {},
        "decoder",
        (*_DECODER_HEADS, "TokenClassification"),
        vocab_size=VOCAB,
        n_embd=HIDDEN,
        n_layer=2,
        n_head=HEADS,
        n_inner=INTER,
        n_positions=40,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        summary_first_dropout=0.0,
        classifier_dropout=0.0,
        num_labels=2,
    ),
    "gptj": _model(
        "gptj",
        {},
        "decoder",
        _DECODER_HEADS,
        vocab_size=VOCAB,
        n_embd=HIDDEN,
        n_layer=2,
        n_head=HEADS,
        n_inner=INTER,
        n_positions=40,
        rotary_dim=4,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        num_labels=2,
    ),
    "llama": _model("llama", _LLAMA, "decoder", (*_DECODER_HEADS, "QuestionAnswering")),
    "llama-gqa": _model(
        "llama", _LLAMA, "decoder", _DECODER_HEADS, num_key_value_heads=2, num_hidden_layers=3
    ),
    "mbart": _model("mbart", _BART, "seq2seq", _SEQ2SEQ_HEADS),
    "mistral": TinyModel(
        {"model_type": "mistral", **_LLAMA, "num_key_value_heads": 2}, "decoder", _DECODER_HEADS, "1.0.0"
    ),
    "mt5": _model(
        "mt5",
        _T5,
        "seq2seq",
        ("Seq2SeqLM", "QuestionAnswering"),
        feed_forward_proj="gated-gelu",
        num_decoder_layers=2,
    ),
    "plbart": TinyModel(
        {"model_type": "plbart", **_BART}, "seq2seq", ("Seq2SeqLM", "SequenceClassification"), "1.0.0"
    ),
    "roberta": _model("roberta", _ROBERTA, "encoder", _ENCODER_HEADS),
    "t5": _model("t5", _T5, "seq2seq", ("Seq2SeqLM", "QuestionAnswering", "SequenceClassification")),
    "t5-gated": _model(
        "t5", _T5, "seq2seq", ("Seq2SeqLM",), feed_forward_proj="gated-gelu", num_decoder_layers=2
    ),
    "vit": _model("vit", _VIT, "vision", ("ImageClassification",)),
    "whisper": TinyModel(
        {
            "model_type": "whisper",
            "vocab_size": VOCAB,
            "d_model": HIDDEN,
            "encoder_layers": 2,
            "decoder_layers": 3,
            "encoder_attention_heads": HEADS,
            "decoder_attention_heads": HEADS,
            "encoder_ffn_dim": INTER,
            "decoder_ffn_dim": INTER + 4,
            "num_mel_bins": 8,
            "max_source_positions": 9,
            "max_target_positions": 40,
            "pad_token_id": 0,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "decoder_start_token_id": 3,
            "dropout": 0.0,
            "attention_dropout": 0.0,
            "activation_dropout": 0.0,
            "encoder_layerdrop": 0.0,
            "decoder_layerdrop": 0.0,
            "suppress_tokens": None,
            "begin_suppress_tokens": None,
            "num_labels": 2,
        },
        "audio",
        ("SpeechSeq2Seq",),
        "1.0.0",
    ),
    "xlm-roberta": _model("xlm-roberta", _ROBERTA, "encoder", _ENCODER_HEADS),
    "xmod": _model(
        "xmod",
        _ROBERTA,
        "encoder",
        _ENCODER_HEADS,
        languages=["en_XX", "de_DE"],
        default_language="en_XX",
        adapter_reduction_factor=2,
    ),
    "modernbert": TinyModel(
        {
            "model_type": "modernbert",
            "vocab_size": VOCAB,
            "hidden_size": HIDDEN,
            "intermediate_size": INTER,
            "num_hidden_layers": 3,
            "num_attention_heads": HEADS,
            "max_position_embeddings": 40,
            "pad_token_id": 0,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "cls_token_id": 1,
            "sep_token_id": 2,
            "local_attention": 4,
            "global_attn_every_n_layers": 2,
            "reference_compile": False,
            "embedding_dropout": 0.0,
            "mlp_dropout": 0.0,
            "attention_dropout": 0.0,
            "classifier_dropout": 0.0,
            "num_labels": 2,
        },
        "encoder",
        ("SequenceClassification", "TokenClassification", "MaskedLM"),
        "1.2.0",
    ),
    "gemma2": _plugin(
        "gemma2", "decoder", _DECODER_HEADS, head_dim=8, sliding_window=4, query_pre_attn_scalar=8
    ),
    "gemma3": _plugin(
        "gemma3_text", "decoder", ("CausalLM",), head_dim=8, sliding_window=4, query_pre_attn_scalar=8
    ),
    "qwen2": _plugin("qwen2", "decoder", _DECODER_HEADS),
    "qwen3": _plugin("qwen3", "decoder", _DECODER_HEADS, head_dim=8),
    "phi": _plugin("phi", "decoder", _DECODER_HEADS, resid_pdrop=0.0, embd_pdrop=0.0),
}


def write_models(folder: Path) -> dict[str, Path]:
    """Write ``folder/NAME/config.json`` for every model; returns the directories."""
    directories = {}
    for name, model in MODELS.items():
        directory = folder / name
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "config.json").write_text(json.dumps(model.config, indent=1, sort_keys=True))
        directories[name] = directory
    return directories
