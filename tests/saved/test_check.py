"""`adapter-audit check`: ten planted faults in checkpoints of peft and adapters, and none in sound ones."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from adapter_audit.auditor.errors import UsageError
from adapter_audit.auditor.saved.hold_to_base import check_directory
from adapter_audit.auditor.saved.read_directory import read_directory
from adapter_audit.auditor.schema.result import AuditResult

WIDTH, INNER, LAYERS, VOCABULARY, RANK = 32, 48, 2, 96, 4
LLAMA = {
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": WIDTH,
    "intermediate_size": INNER, "num_attention_heads": 4, "num_key_value_heads": 2,
    "num_hidden_layers": LAYERS, "vocab_size": VOCABULARY, "tie_word_embeddings": True,
    "attention_bias": True,
}  # fmt: skip
CONFIG = {
    "peft_type": "LORA", "task_type": "CAUSAL_LM", "r": RANK, "lora_alpha": 8, "bias": "none",
    "target_modules": ["q_proj", "down_proj"], "modules_to_save": None,
}  # fmt: skip
PLACES = {"self_attn.q_proj": (WIDTH, WIDTH), "mlp.down_proj": (INNER, WIDTH)}
"""Module of a layer -> numbers that go in and out."""
FIRST = "base_model.model.model.layers.0.self_attn.q_proj.lora_"
Tensors = dict[str, torch.Tensor]
Change = Callable[[Tensors, dict[str, Any], Path], None]


def lora(layers: int = LAYERS) -> Tensors:
    """As peft names them: A is [r, in], B is [out, r]."""
    found = {}
    for layer in range(layers):
        for place, (inner, outer) in PLACES.items():
            name = f"base_model.model.model.layers.{layer}.{place}"
            found[f"{name}.lora_A.weight"] = torch.randn(RANK, inner)
            found[f"{name}.lora_B.weight"] = torch.randn(outer, RANK)
    return found


def write(folder: Path, tensors: Tensors, config: dict[str, Any]) -> Path:
    base = folder / "base"
    base.mkdir(exist_ok=True)
    (base / "config.json").write_text(json.dumps(LLAMA))
    saved = folder / "saved"
    saved.mkdir(exist_ok=True)
    (saved / "adapter_config.json").write_text(json.dumps({**config, "base_model_name_or_path": str(base)}))
    save_file(tensors, saved / "adapter_model.safetensors")
    return saved


def checked(folder: Path, change: Change | None = None) -> AuditResult:
    tensors, config = lora(), dict(CONFIG)
    (folder / "saved").mkdir()
    if change is not None:
        change(tensors, config, folder / "saved")
    return check_directory(write(folder, tensors, config), offline=True)


def renamed(tensors: Tensors, config: dict[str, Any], saved: Path) -> None:
    for name in list(tensors):
        tensors[name.replace("base_model.model.", "base_model.")] = tensors.pop(name)


def misspelt_target(tensors: Tensors, config: dict[str, Any], saved: Path) -> None:
    config["target_modules"] = [*CONFIG["target_modules"], "query"]


def untrained(tensors: Tensors, config: dict[str, Any], saved: Path) -> None:
    tensors[FIRST + "B.weight"].zero_()


def other_width(tensors: Tensors, config: dict[str, Any], saved: Path) -> None:
    tensors[FIRST + "A.weight"] = torch.randn(RANK, 2 * WIDTH)


def other_rank(tensors: Tensors, config: dict[str, Any], saved: Path) -> None:
    config["r"] = 2 * RANK


def half_a_pair(tensors: Tensors, config: dict[str, Any], saved: Path) -> None:
    del tensors[FIRST + "B.weight"]


def on_tied_weight(tensors: Tensors, config: dict[str, Any], saved: Path) -> None:
    config["target_modules"] = [*CONFIG["target_modules"], "embed_tokens"]
    name = "base_model.model.model.embed_tokens.lora_embedding_"
    tensors[name + "A"], tensors[name + "B"] = torch.randn(RANK, VOCABULARY), torch.randn(WIDTH, RANK)


def weights_beside(tensors: Tensors, config: dict[str, Any], saved: Path) -> None:
    save_file({"model.layers.0.self_attn.q_proj.weight": torch.zeros(2, 2)}, saved / "model.safetensors")


def not_a_number(tensors: Tensors, config: dict[str, Any], saved: Path) -> None:
    tensors[FIRST + "A.weight"][0, 3] = float("nan")


def layer_beyond(tensors: Tensors, config: dict[str, Any], saved: Path) -> None:
    config["layers_to_transform"] = [0, 1, LAYERS]


def absent_head(tensors: Tensors, config: dict[str, Any], saved: Path) -> None:
    config["modules_to_save"] = ["classifier"]


FAULTS: list[tuple[Change, str, str]] = [
    (renamed, "AA301", "8 of 8 saved tensors have no place"),
    (misspelt_target, "AA302", "target_modules names 'query'"),
    (untrained, "AA303", "1 of 4 modules have no effect"),
    (other_width, "AA304", f"[{RANK}, {2 * WIDTH}] where [{RANK}, {WIDTH}] is expected"),
    (other_rank, "AA304", "8 saved tensors have another shape"),
    (half_a_pair, "AA307", FIRST + "B.weight"),
    (on_tied_weight, "AA305", "shares its weight with lm_head"),
    (weights_beside, "AA306", "applied twice"),
    (not_a_number, "AA308", "1 of 8 saved tensors are not finite"),
    (layer_beyond, "AA302", f"layers_to_transform names '{LAYERS}'"),
    (absent_head, "AA302", "modules_to_save names 'classifier'"),
]


@pytest.mark.parametrize(("change", "rule", "says"), FAULTS, ids=[f[0].__name__ for f in FAULTS])
def test_a_planted_fault_is_named(tmp_path: Path, change: Change, rule: str, says: str) -> None:
    result = checked(tmp_path, change)
    (found,) = [f for f in result.findings if f.rule == rule]
    assert says in found.message
    others = {f.rule for f in result.findings} - {rule}
    assert others <= ({"AA307"} if change is renamed else set()), [f.message for f in result.findings]


def patterns(tensors: Tensors, config: dict[str, Any], saved: Path) -> None:
    """One regular expression, another rank for one layer, DoRA."""
    config["target_modules"] = r".*\.(q_proj|down_proj)"
    config["rank_pattern"] = {"layers.1.self_attn.q_proj": 2}
    config["use_dora"] = True
    name = FIRST.replace("layers.0", "layers.1")
    tensors[name + "A.weight"], tensors[name + "B.weight"] = torch.randn(2, WIDTH), torch.randn(WIDTH, 2)
    for layer in range(LAYERS):
        for place in PLACES:
            name = f"base_model.model.model.layers.{layer}.{place}.lora_magnitude_vector"
            tensors[name] = torch.ones(WIDTH)


def one_layer(tensors: Tensors, config: dict[str, Any], saved: Path) -> None:
    config["layers_to_transform"] = [1]
    for name in [n for n in tensors if "layers.0" in n]:
        del tensors[name]


def in_half_precision(tensors: Tensors, config: dict[str, Any], saved: Path) -> None:
    tensors.update({name: value.bfloat16() for name, value in tensors.items()})


def whole_embedding(tensors: Tensors, config: dict[str, Any], saved: Path) -> None:
    config["modules_to_save"] = ["embed_tokens"]
    tensors["base_model.model.model.embed_tokens.weight"] = torch.randn(VOCABULARY, WIDTH)


def with_biases(tensors: Tensors, config: dict[str, Any], saved: Path) -> None:
    """As peft 0.17 writes them, with every head that there may be among the modules to save."""
    config.update(bias="all", task_type="SEQ_CLS", modules_to_save=["classifier", "score"])
    tensors["base_model.model.score.weight"] = torch.randn(2, WIDTH)
    tensors[FIRST.removesuffix("lora_") + "base_layer.bias"] = torch.randn(WIDTH)


@pytest.mark.parametrize(
    "change", [None, with_biases, patterns, one_layer, in_half_precision, whole_embedding]
)
def test_a_sound_checkpoint_of_peft(tmp_path: Path, change: Change | None) -> None:
    result = checked(tmp_path, change)
    assert (result.findings, result.verdict) == ((), "compatible")


def test_another_type_is_said_to_be_half_checked(tmp_path: Path) -> None:
    def ia3(tensors: Tensors, config: dict[str, Any], saved: Path) -> None:
        config.update(peft_type="IA3", target_modules=["down_proj"])
        tensors.clear()
        tensors["base_model.model.model.layers.0.mlp.down_proj.ia3_l"] = torch.randn(1, INNER)

    result = checked(tmp_path, ia3)
    assert (result.verdict, result.findings) == ("unknown", ())
    assert "IA3" in result.unknowns[0]


def test_a_prompt_is_for_no_module(tmp_path: Path) -> None:
    def prompt(tensors: Tensors, config: dict[str, Any], saved: Path) -> None:
        config.update(peft_type="PROMPT_TUNING", target_modules=None, num_virtual_tokens=3)
        tensors.clear()
        tensors["prompt_embeddings"] = torch.randn(3, WIDTH)

    assert checked(tmp_path, prompt).findings == ()


SAVED = [
    *(pytest.param(m, False, id=m) for m in ("lora", "seq_bn", "prefix_tuning", "ia3", "loreft")),
    *(pytest.param(m, True, id=f"{m}-safetensors") for m in ("lora", "seq_bn")),
]
"""The library cannot write what shares memory (prefixes) as safetensors."""


@pytest.mark.parametrize(("method", "safetensors"), SAVED)
def test_what_adapters_saves_is_sound_until_it_is_changed(
    tmp_path: Path, method: str, safetensors: bool
) -> None:
    import adapters

    from adapter_audit.auditor.toys import bert

    model = bert()
    model.config.save_pretrained(tmp_path / "base")
    adapters.init(model)
    model.add_adapter("mine", config=method)
    for name, parameter in model.named_parameters():
        if "mine" in name or "shared_parameters" in name or "prefix" in name:
            torch.nn.init.normal_(parameter)
    saved = tmp_path / "saved"
    model.save_adapter(saved, "mine", use_safetensors=safetensors)
    result = check_directory(saved, str(tmp_path / "base"), offline=True)
    assert (result.findings, result.verdict) == ((), "compatible")
    if not safetensors:
        return
    tensors = load_file(saved / "adapter.safetensors")
    first = min(tensors)
    tensors[first.replace("mine", "other")] = tensors.pop(first)
    save_file(tensors, saved / "adapter.safetensors")
    changed = check_directory(saved, str(tmp_path / "base"), offline=True)
    assert {f.rule for f in changed.findings} == {"AA301", "AA307"}
    assert first in next(f for f in changed.findings if f.rule == "AA307").message


def test_a_model_that_was_saved_with_its_adapters_on(tmp_path: Path) -> None:
    save_file({"model.layers.0.q_proj.base_layer.weight": torch.zeros(2, 2)}, tmp_path / "model.safetensors")
    result = check_directory(tmp_path)
    assert [f.rule for f in result.findings] == ["AA306"]
    save_file({"model.layers.0.q_proj.weight": torch.zeros(2, 2)}, tmp_path / "model.safetensors")
    assert check_directory(tmp_path).findings == ()


def headers_only(file: Path, shapes: dict[str, tuple[int, ...]]) -> None:
    """A file with these shapes in bfloat16, its numbers a hole in the file."""
    header, at = {}, 0
    for name, shape in shapes.items():
        size = 2 * int(torch.Size(shape).numel())
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    with file.open("wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        out.truncate(8 + len(text) + at)


def test_seven_billion_parameters_are_headers_only(tmp_path: Path) -> None:
    """The base model is never allocated, and of a whole model beside the adapter only names are read."""
    large = {**LLAMA, "hidden_size": 4096, "intermediate_size": 11008, "num_attention_heads": 32,
             "num_key_value_heads": 32, "num_hidden_layers": 32, "vocab_size": 32000}  # fmt: skip
    saved = write(tmp_path, {"none": torch.zeros(1)}, dict(CONFIG, target_modules=["q_proj"]))
    (tmp_path / "base" / "config.json").write_text(json.dumps(large))
    place = "base_model.model.model.layers.{}.self_attn.q_proj.lora_{}.weight"
    shapes = {place.format(n, "A"): (RANK, 4096) for n in range(32)}
    headers_only(
        saved / "adapter_model.safetensors", shapes | {place.format(n, "B"): (4096, RANK) for n in range(32)}
    )
    layers = {
        f"model.layers.{n}.mlp.{p}_proj.weight": (11008, 4096) for n in range(32) for p in ("up", "gate", "x")
    }
    headers_only(saved / "model.safetensors", layers)
    assert (saved / "model.safetensors").stat().st_size > 8e9
    started = time.perf_counter()
    facts, _, _ = read_directory(saved, None, offline=True)
    print(f"{time.perf_counter() - started:.2f} s")
    assert len(facts.base_weights) == 96
    assert not facts.unmatched
    assert len(facts.ends & facts.zero) == 32


def test_what_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    saved = write(tmp_path, lora(), dict(CONFIG))
    for damage, says in (
        (lambda: (saved / "adapter_model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}"), "no tensors"),
        ((saved / "adapter_model.safetensors").unlink, "has no tensors"),
        (lambda: (saved / "adapter_config.json").write_text("{"), "cannot read"),
        (lambda: (saved / "adapter_config.json").write_text("{}"), "configuration of no adapter"),
        ((saved / "adapter_config.json").unlink, "neither adapter_config.json nor"),
    ):
        damage()
        with pytest.raises(UsageError, match=says) as caught:
            check_directory(saved, offline=True)
        assert "\n" not in caught.value.line
    with pytest.raises(UsageError, match="there is no directory"):
        check_directory(tmp_path / "absent")
