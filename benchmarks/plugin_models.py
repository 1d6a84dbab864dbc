"""Model types without an implementation in `adapters`, through the plug-in interface: auditor against truth.

    python benchmarks/plugin_models.py --size 300

Every type of `TYPES` is a tiny random model of transformers with an `AdapterModelInterface`. Compositions of
several methods and blocks run forward, train and generate; the truth is made by running every adapter alone
(`tests/oracle/in_hand.py`). `plugin_models:TYPE` is the model that the auditor is given.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import adapters
import torch
import transformers
from adapters import AdapterModelInterface
from adapters.composition import SUPPORTED_MODELS, Parallel
from torch import nn

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from agreement import Record, agree, audit_of_spec, report, truth_of_spec, warm  # noqa: E402
from oracle.alone import alone  # noqa: E402
from oracle.judge import quiet  # noqa: E402

BATCH, TOKENS, VOCABULARY, SIDE = 3, 7, 61, 16
METHODS = ["bottleneck", "lora", "reft", "invertible"]
_SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "d_model": 32,
    "n_embd": 32,
    "word_embed_proj_dim": 32,
    "embedding_size": 32,
    "input_embedding_size": 32,
    "output_embedding_size": 32,
    "intermediate_size": 40,
    "ffn_hidden_size": 128,
    "ffn_dim": 40,
    "encoder_ffn_dim": 40,
    "decoder_ffn_dim": 40,
    "ffn_hidden_size_": 40,
    "num_hidden_layers": 2,
    "num_layers": 2,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "n_layer": 2,
    "n_layers": 2,
    "num_attention_heads": 4,
    "attention_heads": 4,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "n_head": 4,
    "n_heads": 4,
    "num_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "rotary_dim": 4,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 64,
    "max_2d_position_embeddings": 1100,
    "n_positions": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "image_size": SIDE,
    "patch_size": 8,
    "attention_types": [[["global", "local"], 1]],
    "attention_type": None,
}
_LLAMA = {
    "model_embeddings": "embed_tokens",
    "model_layers": "layers",
    "layer_self_attn": "self_attn",
    "attn_q_proj": "q_proj",
    "attn_k_proj": "k_proj",
    "attn_v_proj": "v_proj",
    "attn_o_proj": "o_proj",
    "layer_intermediate_proj": "mlp.up_proj",
    "layer_output_proj": "mlp.down_proj",
}
_BERT = {
    "model_embeddings": "embeddings",
    "model_layers": "encoder.layer",
    "layer_self_attn": "attention",
    "attn_q_proj": "self.query",
    "attn_k_proj": "self.key",
    "attn_v_proj": "self.value",
    "attn_o_proj": "output.dense",
    "layer_intermediate_proj": "intermediate.dense",
    "layer_output_proj": "output.dense",
}
_VIT = _BERT | {
    "attn_q_proj": "attention.query",
    "attn_k_proj": "attention.key",
    "attn_v_proj": "attention.value",
}
_OPT = _LLAMA | {"attn_o_proj": "out_proj", "layer_intermediate_proj": "fc1", "layer_output_proj": "fc2"}
_GPT2 = {
    "model_embeddings": "wte",
    "model_layers": "h",
    "layer_self_attn": "attn",
    "attn_qkv_proj": "c_attn",
    "attn_o_proj": "c_proj",
    "layer_intermediate_proj": "mlp.c_fc",
    "layer_output_proj": "mlp.c_proj",
}
_BLOOM = {
    "model_embeddings": "word_embeddings",
    "model_layers": "h",
    "layer_self_attn": "self_attention",
    "attn_qkv_proj": "query_key_value",
    "attn_o_proj": "dense",
    "layer_intermediate_proj": "mlp.dense_h_to_4h",
    "layer_output_proj": "mlp.dense_4h_to_h",
}
LAYOUTS: list[dict[str, str]] = [
    _LLAMA | {"layer_pre_self_attn": "input_layernorm", "layer_pre_ffn": "post_attention_layernorm"},
    _LLAMA,
    _LLAMA | {"layer_intermediate_proj": "mlp.gate_up_proj"},
    _LLAMA | {"layer_intermediate_proj": "mlp.c_fc", "layer_output_proj": "mlp.c_proj"},
    _LLAMA | {"layer_intermediate_proj": "mlp.fc1", "layer_output_proj": "mlp.fc2"},
    _LLAMA | {"layer_intermediate_proj": "feed_forward.w1", "layer_output_proj": "feed_forward.w2"},
    _LLAMA
    | {
        "attn_o_proj": "dense",
        "layer_intermediate_proj": "mlp.dense_h_to_4h",
        "layer_output_proj": "mlp.dense_4h_to_h",
    },
    _OPT | {"layer_pre_self_attn": "self_attn_layer_norm", "layer_pre_ffn": "final_layer_norm"},
    _OPT
    | {
        "model_embeddings": "decoder.embed_tokens",
        "model_layers": "decoder.layers",
        "layer_pre_self_attn": "self_attn_layer_norm",
        "layer_pre_ffn": "final_layer_norm",
    },
    _OPT | {"model_embeddings": "shared", "model_layers": "encoder.layers"},
    _OPT
    | {
        "model_embeddings": "vision_model.embeddings",
        "model_layers": "vision_model.encoder.layers",
        "layer_intermediate_proj": "mlp.fc1",
        "layer_output_proj": "mlp.fc2",
    },
    _OPT
    | {
        "model_embeddings": "text_model.embeddings",
        "model_layers": "text_model.encoder.layers",
        "layer_intermediate_proj": "mlp.fc1",
        "layer_output_proj": "mlp.fc2",
    },
    _BERT | {"layer_ln_1": "attention.output.LayerNorm", "layer_ln_2": "output.LayerNorm"},
    _BERT,
    _VIT | {"layer_pre_self_attn": "layernorm_before", "layer_pre_ffn": "layernorm_after"},
    _VIT | {"layer_intermediate_proj": "mlp.fc1", "layer_output_proj": "mlp.fc2"},
    _GPT2 | {"layer_pre_self_attn": "ln_1", "layer_pre_ffn": "ln_2"},
    _GPT2 | {"model_embeddings": "tokens_embed"},
    {
        "model_embeddings": "wte",
        "model_layers": "h",
        "layer_self_attn": "attn",
        "attn_qkv_proj": "qkv_proj",
        "attn_o_proj": "out_proj",
        "layer_intermediate_proj": "mlp.fc_in",
        "layer_output_proj": "mlp.fc_out",
    },
    {
        "model_embeddings": "wte",
        "model_layers": "h",
        "layer_self_attn": "attn.attention",
        "attn_q_proj": "q_proj",
        "attn_k_proj": "k_proj",
        "attn_v_proj": "v_proj",
        "attn_o_proj": "out_proj",
        "layer_intermediate_proj": "mlp.c_fc",
        "layer_output_proj": "mlp.c_proj",
        "layer_pre_self_attn": "ln_1",
        "layer_pre_ffn": "ln_2",
    },
    {
        "model_embeddings": "wte",
        "model_layers": "blocks",
        "layer_self_attn": "attn",
        "attn_qkv_proj": "Wqkv",
        "attn_o_proj": "out_proj",
        "layer_intermediate_proj": "ffn.up_proj",
        "layer_output_proj": "ffn.down_proj",
    },
    _BLOOM,
    _BLOOM | {"model_embeddings": "embed_in", "model_layers": "layers", "layer_self_attn": "attention"},
    {
        "model_embeddings": "w",
        "model_layers": "h",
        "layer_self_attn": "attn",
        "attn_q_proj": "Wq",
        "attn_k_proj": "Wk",
        "attn_v_proj": "Wv",
        "attn_o_proj": "dense",
        "layer_intermediate_proj": "ffn.0",
        "layer_output_proj": "ffn.2",
    },
]
"""Where the parts of a layer are called what; a model gets the first that fits it."""

TYPES = [
    "apertus",
    "arcee",
    "biogpt",
    "bitnet",
    "bloom",
    "camembert",
    "codegen",
    "cohere",
    "cohere2",
    "ctrl",
    "data2vec-text",
    "data2vec-vision",
    "deit",
    "diffllama",
    "dinov2",
    "dpr",
    "ernie",
    "ernie4_5",
    "esm",
    "exaone4",
    "falcon",
    "gemma",
    "glm",
    "glm4",
    "gpt_bigcode",
    "gpt_neo",
    "gpt_neox",
    "granite",
    "helium",
    "hunyuan_v1_dense",
    "ijepa",
    "layoutlm",
    "lilt",
    "marian",
    "megatron-bert",
    "ministral",
    "mpt",
    "nemotron",
    "olmo",
    "olmo2",
    "olmo3",
    "openai-gpt",
    "opt",
    "pegasus",
    "persimmon",
    "rembert",
    "roberta-prelayernorm",
    "roc_bert",
    "roformer",
    "seed_oss",
    "siglip_text_model",
    "siglip_vision_model",
    "smollm3",
    "splinter",
    "stablelm",
    "starcoder2",
    "vaultgemma",
    "vit_mae",
    "vit_msn",
    "xglm",
    "xlm-roberta-xl",
    "yolos",
]
GENERATING = set(transformers.models.auto.modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)


def _plain(model_type: str) -> nn.Module:
    """The bare model, with a language model head where it has one."""
    known = transformers.CONFIG_MAPPING[model_type]
    names = set(known.attribute_map) | set(vars(known()))
    config = known(**{k: v for k, v in _SIZES.items() if k in names and v is not None})
    torch.manual_seed(0)
    family = transformers.AutoModelForCausalLM if _generates(model_type) else transformers.AutoModel
    return family.from_config(config).eval()  # type: ignore[no-any-return]


def _generates(model_type: str) -> bool:
    encoders = {"camembert", "data2vec-text", "ernie", "megatron-bert", "rembert", "roberta-prelayernorm"}
    encoders |= {"roc_bert", "roformer", "xlm-roberta-xl", "marian", "pegasus"}
    return model_type in GENERATING and model_type not in encoders


def _has(module: nn.Module, path: str) -> bool:
    for part in path.split("."):
        if not hasattr(module, part):
            return False
        module = getattr(module, part)
    return True


def _fits(base: nn.Module, layout: dict[str, str]) -> bool:
    if not _has(base, layout["model_embeddings"]) or not _has(base, layout["model_layers"]):
        return False
    layer = base.get_submodule(layout["model_layers"])[0]  # type: ignore[index]
    if not _has(layer, layout["layer_self_attn"]):
        return False
    attention = layer.get_submodule(layout["layer_self_attn"])
    return all(
        _has(attention if name.startswith("attn_") else layer, path)
        for name, path in layout.items()
        if not name.startswith("model_")
    )


def make(model_type: str) -> nn.Module:
    """The model with adapters; raises LookupError where no layout fits."""
    model = _plain(model_type)
    base = model.base_model
    for layout in LAYOUTS:
        if _fits(base, layout):
            interface = AdapterModelInterface(adapter_methods=METHODS, layer_cross_attn=None, **layout)  # type: ignore[arg-type]
            adapters.init(model, interface=interface)
            return model
    raise LookupError(f"no layout fits {model_type}")


def make_declared(model_type: str) -> nn.Module:
    """The same, its type entered among those that run Parallel, as who writes a plug-in would try."""
    model = make(model_type)
    if model.config.model_type not in SUPPORTED_MODELS[Parallel]:
        SUPPORTED_MODELS[Parallel].append(model.config.model_type)
    return model


def name_of(model_type: str) -> str:
    """The function of this module that makes a type."""
    return model_type.replace("-", "_")


def _offer(name: str, model_type: str, maker: Any) -> None:
    def function() -> nn.Module:
        return maker(model_type)  # type: ignore[no-any-return]

    function.__name__ = function.__qualname__ = name
    globals()[name] = function


for _type in TYPES:
    _offer(name_of(_type), _type, make)
    _offer(f"{name_of(_type)}_parallel", _type, make_declared)

ADAPTERS = [
    "lora[r=2]",
    "lora[r=2,attn_matrices=['q','k','v'],intermediate_lora=True,output_lora=True]",
    "ia3",
    "seq_bn[reduction_factor=4]",
    "double_seq_bn[reduction_factor=4]",
    "par_bn[reduction_factor=4]",
    "seq_bn_inv[reduction_factor=4]",
    "loreft[r=2]",
]
COMPOSITIONS = [
    "stack(a)",
    "stack(a,b)",
    "parallel(a,b)",
    "stack(a,parallel(b,c))",
    "batchsplit(a,b;2,1)",
    "average(a,b)",
    "fuse(a,b)",
    "split(a,b;3,4)",
]


def usable() -> list[str]:
    """The types whose model runs here, each tried in a process of its own; says why others do not."""
    ready = []
    for model_type in TYPES:
        answer = alone(partial(_tried, model_type), 60.0)
        if answer.get("ok"):
            ready.append(model_type)
        else:
            print(f"  {model_type} cannot be used: {str(answer).strip().splitlines()[-1][-200:]}")
    return ready


def _tried(model_type: str) -> Record:
    model = make(model_type)
    with torch.no_grad():
        model(**inputs_of(model))
    return {"ok": True}


def inputs_of(model: Any) -> dict[str, torch.Tensor]:
    """Tokens [B, S] or images [B, 3, H, W]."""
    generator = torch.Generator().manual_seed(4)
    if model.main_input_name == "pixel_values":
        return {"pixel_values": torch.randn(BATCH, 3, SIDE, SIDE, generator=generator)}
    ids = torch.randint(5, VOCABULARY, (BATCH, TOKENS), generator=generator)
    given = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if getattr(model.config, "is_encoder_decoder", False):
        given["decoder_input_ids"] = ids[:, :5]
    return given


def specs(types: list[str], size: int, seed: int) -> list[Record]:
    """Cases that take every type in turn; half of those with Parallel declare the type for it."""
    rng = random.Random(seed)
    found = []
    for index in range(size):
        model_type = types[index % len(types)]
        compose, adapter = rng.choice(COMPOSITIONS), rng.choice(ADAPTERS)
        if compose.startswith(("fuse", "split")) and "bn" not in adapter:
            adapter = ADAPTERS[3]
        modes = ["forward", "train"] + ["generate"] * (_generates(model_type) and "split" not in compose)
        declared = "parallel" in compose and rng.random() < 0.75
        found.append(
            {
                "id": f"{index:04d}-{model_type}",
                "model": f"plugin_models:{name_of(model_type)}{'_parallel' if declared else ''}",
                "compose": compose,
                "adapter": adapter,
                "batch": BATCH,
                "seq_len": TOKENS,
                "mode": rng.choice(modes),
                "mask": "full",
            }
        )
    return found


def examine(spec: Record) -> Record:
    """The truth and the auditor's answer to one spec."""
    name = spec["model"].split(":")[1]
    truth = truth_of_spec(globals()[name], inputs_of, spec)
    given = dict(spec)
    if not hasattr(globals()[name]().config, "vocab_size"):
        given["mask"] = "none"
    return {"spec": given, "mode": spec["mode"], "truth": truth, "audit": audit_of_spec(given)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=300, help="number of cases")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path("build/plugin-models"))
    options = parser.parse_args()
    quiet()
    warm()
    types = usable()
    print(f"{len(types)} model types: {' '.join(types)}", flush=True)
    options.work.mkdir(parents=True, exist_ok=True)
    records, started = [], time.perf_counter()
    with (options.work / "all.jsonl").open("w") as log:
        for spec in specs(types, options.size, options.seed):
            records.append(examine(spec))
            log.write(json.dumps(records[-1]) + "\n")
            log.flush()
    print(f"{len(records)} cases in {time.perf_counter() - started:.0f} s")
    report(records, "mode", options.work / "disagreements.jsonl")
    wrong = [r for r in records if not agree(r["truth"], r["audit"])]
    for (block, adapter), count in Counter(
        (r["spec"]["compose"].split("(")[0], r["spec"]["adapter"].split("[")[0]) for r in wrong
    ).most_common(15):
        print(f"  {count:5}  {block} of {adapter}")


if __name__ == "__main__":
    main()
