"""The probe's small models: every catalogue entry shrinks and builds, and all that can matter is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModel

from adapter_audit.auditor.knowledge.library_names import TRANSFORMERS
from adapter_audit.auditor.probe.shrink import (
    HEAD_SIZE,
    HEAD_SIZES_TRIED,
    MAX_HEADS,
    MAX_LAYERS,
    MAX_VOCABULARY,
    shrink,
)
from adapter_audit.auditor.request import catalogue

ENTRIES = sorted(catalogue.names())
KEPT = (
    *(
        "num_hidden_layers",
        "num_layers",
        "num_decoder_layers",
        "encoder_layers",
        "decoder_layers",
        "n_layer",
        "n_layers",
    ),
    *(
        "num_hidden_groups",
        "tie_word_embeddings",
        "hidden_act",
        "activation_function",
        "feed_forward_proj",
        "is_gated_act",
    ),
    *(
        "relative_attention",
        "relative_attention_num_buckets",
        "pos_att_type",
        "position_buckets",
        "conv_kernel_size",
    ),
    *("layer_types", "sliding_window_pattern", "attention_bias", "mlp_bias", "model_type", "architectures"),
)
PARAMETERS = 3_000_000
"""More is no small model: a probe must run in milliseconds."""


def configuration(name: str) -> dict[str, Any]:
    entry = catalogue.lookup(name)
    assert entry is not None
    return dict(entry.config)


def first(config: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    return next((config[n] for n in names if isinstance(config.get(n), int)), None)


def complete(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with every field that transformers derives, as the probe shrinks it."""
    data = {k: v for k, v in config.items() if k != "model_type"}
    full: dict[str, Any] = AutoConfig.for_model(config["model_type"], **data).to_dict()
    return full


def built(config: Mapping[str, Any]) -> torch.nn.Module:
    data = {k: v for k, v in config.items() if k not in ("torch_dtype", "dtype", "transformers_version")}
    made = AutoConfig.for_model(data.pop("model_type"), **data)
    with torch.device("meta"):
        model: torch.nn.Module = AutoModel.from_config(made)
    return model


@pytest.mark.parametrize("name", ENTRIES)
def test_a_catalogue_entry_shrinks_to_a_model_that_builds(name: str) -> None:
    large = configuration(name)
    small, notes = shrink(complete(large))
    model = built(small)
    assert sum(p.numel() for p in model.parameters()) < PARAMETERS
    assert notes, "every model of the catalogue is large"
    assert {k: small.get(k) for k in KEPT} == {k: complete(large).get(k) for k in KEPT}
    assert shrink(small)[0] == small


def heads_of(config: Mapping[str, Any]) -> tuple[int | None, int | None]:
    return first(config, TRANSFORMERS.heads), first(config, TRANSFORMERS.kv_heads)


WITH_HEADS = [name for name in ENTRIES if heads_of(complete(configuration(name)))[0] is not None]
GROUPED = [name for name in WITH_HEADS if None not in heads_of(configuration(name))]


@pytest.mark.parametrize("name", WITH_HEADS)
def test_heads_are_few(name: str) -> None:
    heads, _ = heads_of(shrink(complete(configuration(name)))[0])
    assert heads is not None
    assert 1 <= heads <= 2 * MAX_HEADS


@pytest.mark.parametrize("name", GROUPED)
def test_heads_stay_grouped_as_they_were(name: str) -> None:
    large = configuration(name)
    small, _ = shrink(complete(large))
    (heads, kv), (all_heads, all_kv) = heads_of(small), heads_of(large)
    assert heads is not None
    assert kv is not None
    assert heads % kv == 0
    assert (kv == heads) == (all_kv == all_heads)
    assert (kv == 1) == (all_kv == 1)


def test_the_catalogue_has_models_of_both_kinds() -> None:
    assert len(WITH_HEADS) > 80
    ratios = {all_heads == all_kv for all_heads, all_kv in map(heads_of, map(configuration, GROUPED))}
    assert ratios == {True, False}, "grouped heads and ungrouped ones"


def test_special_ids_stay_distinct_and_inside() -> None:
    large = {
        "vocab_size": 50_000,
        "pad_token_id": 49_999,
        "eos_token_id": [49_998, 3],
        "bos_token_id": 49_999,
        "x": 1,
    }
    small, _ = shrink(large)
    assert small["vocab_size"] == MAX_VOCABULARY
    ids = [small["pad_token_id"], small["eos_token_id"][0], 3]
    assert len(set(ids)) == 3
    assert small["bos_token_id"] == small["pad_token_id"]
    assert max(ids) < MAX_VOCABULARY
    assert small["eos_token_id"][1] == 3


def test_small_models_stay_as_they_are() -> None:
    tiny = {
        "model_type": "bert",
        "hidden_size": 16,
        "num_attention_heads": 2,
        "vocab_size": 50,
        "intermediate_size": 20,
    }
    assert shrink(tiny) == (tiny, [])


@pytest.mark.parametrize("model_type", ["bert", "t5", "llama", "bart", "vit", "gpt2"])
def test_fields_that_are_left_out_shrink_too(model_type: str) -> None:
    small, notes = shrink(complete({"model_type": model_type}))
    assert notes
    assert sum(p.numel() for p in built(small).parameters()) < PARAMETERS


def test_the_original_is_not_touched() -> None:
    large = configuration("openai/clip-vit-base-patch32")
    before = repr(large)
    small, notes = shrink(large)
    assert repr(large) == before
    assert small["text_config"]["hidden_size"] <= MAX_HEADS * HEAD_SIZE
    assert any(n.startswith("text_config: ") for n in notes)


DEPTHS = KEPT[:7]


def depths(config: Mapping[str, Any]) -> set[int]:
    """Layer counts of a configuration and the ones inside it."""
    parts = [v for n, v in config.items() if n in ("text_config", "vision_config") and isinstance(v, dict)]
    own = {config[n] for n in DEPTHS if isinstance(config.get(n), int)}
    return own.union(*map(depths, parts))


@pytest.mark.parametrize("name", ENTRIES)
def test_a_folded_catalogue_entry_builds(name: str) -> None:
    large = complete(configuration(name))
    small, notes = shrink(large, fold=True)
    built(small)
    folded = any("alike layers" in note for note in notes)
    assert depths(small) == ({min(n, MAX_LAYERS) for n in depths(large)} if folded else depths(large))
    assert shrink(small, fold=True)[0] == small


@pytest.mark.parametrize("name", [n for n in WITH_HEADS if first(configuration(n), TRANSFORMERS.widths)][::5])
@pytest.mark.parametrize("head_size", HEAD_SIZES_TRIED[1:])
def test_a_wider_small_model_builds(name: str, head_size: int) -> None:
    large = complete(configuration(name))
    small, _ = shrink(large, fold=True, head_size=head_size)
    built(small)
    width, heads = first(small, TRANSFORMERS.widths), first(small, TRANSFORMERS.heads)
    assert heads is not None
    assert width == min(heads * head_size, first(large, TRANSFORMERS.widths) or 0)


def test_alike_layers_are_folded_with_the_lists_that_go_with_them() -> None:
    large = complete({"model_type": "llama", "num_hidden_layers": 80})
    large["layer_types"] = ["full_attention"] * 80
    small, notes = shrink(large, fold=True)
    assert small["num_hidden_layers"] == MAX_LAYERS == len(small["layer_types"])
    assert "80 alike layers -> 6" in notes


@pytest.mark.parametrize(
    "told_apart",
    [
        {"layer_types": ["sliding_attention"] * 5 + ["full_attention"] * 7},
        {"out_indices": [3, 5, 11]},
        {"num_hidden_groups": 2},
        {"mlp_only_layers": [7]},
    ],
)
def test_layers_that_the_configuration_tells_apart_are_all_kept(told_apart: dict[str, Any]) -> None:
    large = {**complete({"model_type": "bert"}), **told_apart}
    assert shrink(large, fold=True)[0]["num_hidden_layers"] == 12
