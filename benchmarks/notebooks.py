"""The library's own notebooks, set up as they are written, by `audit_model`: is the verdict that of a run?

    python benchmarks/notebooks.py

Each function is one notebook of https://github.com/adapter-hub/adapters/tree/main/notebooks up to its first
call of the model: the same classes, adapters, heads and active set-up, in the order of its cells. What they
download is replaced: weights are random, models are the small ones of `tests/oracle`, adapters are added.
The truth is made by running every adapter alone (`tests/oracle/in_hand.py`).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import adapters
import torch
import transformers
from adapters import (
    AdapterConfig,
    AdapterModelInterface,
    AdapterPlusConfig,
    AutoAdapterModel,
    ConfigUnion,
    LoRAConfig,
    LoReftConfig,
    PrefixTuningConfig,
    SeqBnConfig,
)
from adapters import composition as ac
from torch import nn

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from agreement import Record, audit_of, report, truth_of, warm  # noqa: E402
from oracle.inputs import make_inputs  # noqa: E402
from oracle.judge import quiet  # noqa: E402
from oracle.models import MODELS  # noqa: E402

Subject = tuple[Any, dict[str, Any], str]
"""Model in hand, inputs, mode."""
ROWS, TOKENS = 3, 7


def config_of(name: str, **more: Any) -> Any:
    return transformers.AutoConfig.for_model(**(MODELS[name].config | more))


def inputs_of(model: Any) -> dict[str, Any]:
    made = make_inputs(model, {"batch": ROWS, "seq_len": TOKENS}).arguments
    return {k: v.float() if v.is_floating_point() else v for k, v in made.items()}


def adapter_inference() -> Subject:
    """02: a question answering adapter of the configuration `houlsby`, with its head."""
    model = AutoAdapterModel.from_config(config_of("bert"))
    model.add_adapter("squad1", config="double_seq_bn")
    model.add_qa_head("squad1")
    model.set_active_adapters("squad1")
    return model.eval(), inputs_of(model), "forward"


def adapter_fusion() -> Subject:
    """03: three adapters fused, a classification head, trained."""
    model = adapters.BertAdapterModel(config_of("bert"))
    for name in ("multinli", "qqp", "qnli"):
        model.add_adapter(name, config="seq_bn")
    setup = ac.Fuse("multinli", "qqp", "qnli")
    model.add_adapter_fusion(setup)
    model.add_classification_head("cb", num_labels=3)
    model.train_adapter_fusion(setup)
    return model, inputs_of(model) | {"labels": torch.tensor([0, 2, 1])}, "train"


def cross_lingual_transfer() -> Subject:
    """04: a language adapter below a task adapter, multiple choice."""
    model = AutoAdapterModel.from_config(config_of("xlm-roberta"))
    for name in ("en", "zh"):
        model.add_adapter(name, config=AdapterConfig.load("seq_bn", reduction_factor=2))
    model.add_adapter("copa")
    model.add_multiple_choice_head("copa", num_choices=2)
    model.train_adapter("copa")
    model.active_adapters = ac.Stack("zh", "copa")
    ids = torch.randint(5, 50, (ROWS, 2, TOKENS))
    return model.eval(), {"input_ids": ids, "attention_mask": torch.ones_like(ids)}, "forward"


def parallel_inference() -> Subject:
    """05: tagging and classification in one forward pass."""
    model = AutoAdapterModel.from_config(config_of("roberta"))
    for name in ("ner", "sentiment"):
        model.add_adapter(name, config="seq_bn")
    model.add_tagging_head("ner", num_labels=9)
    model.add_classification_head("sentiment", num_labels=2)
    model.set_active_adapters(ac.Parallel("ner", "sentiment"))
    return model.eval(), inputs_of(model), "forward"


def parallel_inference_of_one_sentence() -> Subject:
    """05: as it is called there, with a vector of token ids and no batch."""
    model, inputs, mode = parallel_inference()
    return model, {"input_ids": inputs["input_ids"][0]}, mode


def task_arithmetic() -> Subject:
    """06: an adapter that is the weighted sum of three, one of them subtracted, with another one's head."""
    model = AutoAdapterModel.from_config(config_of("t5"))
    for name in ("amazon_cls", "amazon_lm", "yelp_lm"):
        model.add_adapter(name, config="lora")
    model.add_classification_head("amazon_cls", num_labels=2)
    model.average_adapter(
        adapter_name="yelp_merge_linear",
        adapter_list=["amazon_cls", "amazon_lm", "yelp_lm"],
        weights=[1, -1, 1],
        combine_strategy="linear",
    )
    model.active_adapters = "yelp_merge_linear"
    model.active_head = "amazon_cls"
    inputs = inputs_of(model)
    # a classification head of an encoder-decoder reads the decoder where the input ends
    return model.eval(), inputs | {"decoder_input_ids": inputs["input_ids"].clone()}, "forward"


def complex_configuration() -> Subject:
    """07: LoRA, prefix tuning and a bottleneck with gates in one adapter, sequence to sequence, trained."""
    model = AutoAdapterModel.from_config(config_of("bart"))
    config = ConfigUnion(
        LoRAConfig(r=8, use_gating=True),
        PrefixTuningConfig(prefix_length=10, use_gating=True),
        SeqBnConfig(reduction_factor=16, use_gating=True),
    )
    model.add_adapter("xsum", config=config)
    model.add_seq2seq_lm_head("xsum")
    model.train_adapter("xsum")
    inputs = inputs_of(model)
    return model, inputs | {"labels": inputs["decoder_input_ids"].clone()}, "train"


def adapter_drop() -> Subject:
    """AdapterDrop: the first layers without the adapter, in training."""
    model = adapters.RobertaAdapterModel(config_of("roberta"))
    model.add_adapter("rotten_tomatoes")
    model.add_classification_head("rotten_tomatoes", num_labels=2)
    model.train_adapter("rotten_tomatoes")
    model.set_active_adapters("rotten_tomatoes", skip_layers=[0])
    return model, inputs_of(model) | {"labels": torch.tensor([0, 1, 1])}, "train"


def reft() -> Subject:
    """ReFT: one position, rank one."""
    model = AutoAdapterModel.from_config(config_of("roberta"))
    model.add_adapter("loreft_adapter", config=LoReftConfig(r=1, prefix_positions=1, dropout=0.05))
    model.add_classification_head("loreft_adapter", num_labels=3)
    model.train_adapter("loreft_adapter")
    return model, inputs_of(model) | {"labels": torch.tensor([0, 2, 1])}, "train"


def gradient_checkpointing() -> Subject:
    """Llama with gradient checkpointing, trained."""
    model = transformers.AutoModelForCausalLM.from_config(config_of("llama"))
    model.config.use_cache = False
    adapters.init(model)
    model.add_adapter("lora_adapter", config=LoRAConfig())
    model.train_adapter("lora_adapter")
    model.gradient_checkpointing_enable()
    inputs = inputs_of(model)
    return model, inputs | {"labels": inputs["input_ids"].clone()}, "train"


def checkpointing_off_again() -> Subject:
    """The same model afterwards, in bfloat16 as it was loaded, generating."""
    model = transformers.AutoModelForCausalLM.from_config(config_of("llama")).to(torch.bfloat16)
    adapters.init(model)
    model.add_adapter("lora_adapter", config=LoRAConfig())
    model.set_active_adapters("lora_adapter")
    return model.eval(), inputs_of(model), "generate"


def adapter_plus() -> Subject:
    """Image classification with AdapterPlus."""
    model = adapters.ViTAdapterModel(config_of("vit"))
    model.add_adapter(
        "adapterplus_config", config=AdapterPlusConfig(stochastic_depth=0.0)
    )  # more needs torchvision
    model.add_image_classification_head("adapterplus_config", num_labels=100)
    model.train_adapter("adapterplus_config")
    return model.eval(), inputs_of(model), "forward"


def text_generation() -> Subject:
    """Poems by GPT-2: the adapter is saved, loaded into another model and generates."""
    model = transformers.AutoModelForCausalLM.from_config(config_of("gpt2"))
    adapters.init(model)
    model.add_adapter("poem")
    model.set_active_adapters("poem")
    return model.eval(), inputs_of(model), "generate"


def own_embeddings() -> Subject:
    """An adapter with embeddings of its own, both trained."""
    model = AutoAdapterModel.from_config(config_of("roberta"))
    model.add_adapter("a")
    model.add_classification_head("a", num_labels=2)
    own = nn.Embedding(40, model.config.hidden_size)
    model.base_model.loaded_embeddings["a"] = own
    model.set_active_embeddings("a")
    model.train_adapter("a", train_embeddings=True)
    ids = torch.randint(5, 40, (ROWS, TOKENS))
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": torch.tensor([0, 1, 1])}
    return model, inputs, "train"


def plugin_interface() -> Subject:
    """Qwen 2.5 by the plug-in interface, as the notebook names its parts."""
    model = transformers.AutoModelForCausalLM.from_config(config_of("qwen2"))
    interface = AdapterModelInterface(
        adapter_methods=["lora", "reft", "bottleneck"],
        model_embeddings="embed_tokens",
        model_layers="layers",
        layer_self_attn="self_attn",
        layer_cross_attn=None,
        attn_k_proj="k_proj",
        attn_q_proj="q_proj",
        attn_v_proj="v_proj",
        attn_o_proj="o_proj",
        layer_intermediate_proj="mlp.up_proj",
        layer_output_proj="mlp.down_proj",
    )
    adapters.init(model, interface=interface)
    model.add_adapter("qwen-math-adapter", config=SeqBnConfig(reduction_factor=32))
    model.set_active_adapters("qwen-math-adapter")
    model.train_adapter("qwen-math-adapter")
    inputs = inputs_of(model)
    return model, inputs | {"labels": inputs["input_ids"].clone()}, "train"


NOTEBOOKS: tuple[Callable[[], Subject], ...] = (
    adapter_inference,
    adapter_fusion,
    cross_lingual_transfer,
    parallel_inference,
    parallel_inference_of_one_sentence,
    task_arithmetic,
    complex_configuration,
    adapter_drop,
    reft,
    gradient_checkpointing,
    checkpointing_off_again,
    adapter_plus,
    text_generation,
    own_embeddings,
    plugin_interface,
)


def examine(notebook: Callable[[], Subject]) -> Record:
    torch.manual_seed(0)
    model, inputs, mode = notebook()
    truth = truth_of(model, inputs, mode)
    audit = audit_of(model, inputs, mode)
    print(f"{notebook.__name__:36}{mode:10}truth {truth['verdict']:12}auditor {audit['verdict']}", flush=True)
    for record in (truth, audit):
        if record["verdict"] not in ("ok", "compatible"):
            print(f"    {record.get('detail') or record.get('summary')}"[:200])
    return {"name": notebook.__name__, "mode": mode, "truth": truth, "audit": audit}


def main() -> None:
    quiet()
    warm()
    started = time.perf_counter()
    records = [examine(notebook) for notebook in NOTEBOOKS]
    print(f"{len(records)} set-ups in {time.perf_counter() - started:.0f} s")
    report(records, "mode", ROOT / "build" / "notebooks" / "disagreements.jsonl")


if __name__ == "__main__":
    main()
