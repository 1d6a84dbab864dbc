"""Build a cell's model and adapters with weights that no two adapters share and that are no no-op."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .language import adapter

SEED = 20
NOISE = 0.15
"""Standard deviation of what is added to an adapter's initial weights."""
GENTLE = {
    "vblora": 1.0,
    "waveft": 0.05,
    "fourierft": 0.5,
    "unilora": 0.5,
    "vera": 1.0,
    "pvera": 1.0,
    "c3a": 0.5,
    "prompt_tuning": 1.0,
    "multitask_prompt_tuning": 1.0,
    "prefix_tuning": 1.0,
    "cartridge": 1.0,
    "trainable_tokens": 1.0,
    "oft": 0.3,
    "boft": 0.3,
}
"""Tuners whose own scale asks for another deviation, so that an effect is seen and nothing overflows."""
TASKS = {
    "": None,
    "SequenceClassification": "SEQ_CLS",
    "TokenClassification": "TOKEN_CLS",
    "CausalLM": "CAUSAL_LM",
    "Seq2SeqLM": "SEQ_2_SEQ_LM",
    "ImageClassification": None,
}
Spec = dict[str, Any]


class Absent(Exception):
    """The release has no such tuner, model or method: the cell does not exist there."""


def build_base(spec: Spec) -> nn.Module:
    """The plain transformers model in float32, weights seeded by their names, in eval mode."""
    import transformers

    try:
        config = transformers.AutoConfig.from_pretrained(spec["model"])
    except (KeyError, ValueError) as error:
        raise Absent(f"transformers {transformers.__version__} cannot read {spec['model']}") from error
    if spec.get("attn"):
        config._attn_implementation = spec["attn"]
    head = spec.get("head") or ""
    factory = getattr(transformers, f"AutoModel{'For' + head if head else ''}")
    model = factory.from_config(config)
    fill = {id(p): name for name, p in model.named_parameters()}
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(_base_values(fill[id(parameter)], parameter))
    if head in ("CausalLM", "Seq2SeqLM"):  # every row decodes the same number of tokens
        model.config.eos_token_id = None
        model.generation_config.eos_token_id = model.generation_config.forced_eos_token_id = None
    return model.eval()


def _base_values(name: str, parameter: torch.Tensor) -> torch.Tensor:
    random = torch.randn(parameter.shape, generator=_generator(name))
    if parameter.dim() == 1:
        return (1.0 if name.endswith("weight") else 0.0) + 0.1 * random
    return random / parameter[0].numel() ** 0.5


def make_config(text: str, spec: Spec) -> Any:
    """A peft configuration from an adapter's text; raises Absent where the release has no such tuner."""
    import dataclasses

    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    name, arguments = adapter(text)
    classes = {str(getattr(k, "value", k)).lower(): v for k, v in PEFT_TYPE_TO_CONFIG_MAPPING.items()}
    if name not in classes:
        raise Absent(f"no tuner {name}")
    fields = {f.name for f in dataclasses.fields(classes[name])}
    unknown = set(arguments) - fields
    if unknown:
        raise Absent(f"{name} has no {', '.join(sorted(unknown))}")
    arguments.setdefault("task_type", TASKS[spec.get("head") or ""])
    return classes[name](**arguments)


def add(model: nn.Module, name: str, spec: Spec) -> nn.Module:
    """Put one more adapter on a model; the first one wraps it. Returns the model to use from now on."""
    import peft

    config = make_config(spec["adapters"][name], spec)
    through = spec.get("through", "PeftModel")
    old = {id(p) for p in model.parameters()}
    torch.manual_seed(zlib.crc32(name.encode()) + SEED)
    if through == "add_adapter":
        model.add_adapter(config, adapter_name=name)
    elif isinstance(model, (peft.PeftModel, peft.PeftMixedModel)):
        model.add_adapter(name, config)
    else:
        model = peft.get_peft_model(model, config, adapter_name=name, mixed=through == "PeftMixedModel")
    activate(model, (name,), spec)  # some tuners keep in the model only what is active
    shake(model, name, old, adapter(spec["adapters"][name])[0])
    return model.eval()


def shake(model: nn.Module, name: str, old: set[int], tuner: str) -> None:
    """Move the parameters that came with the adapter `name` away from where they do nothing."""
    deviation = GENTLE.get(tuner, NOISE)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if id(parameter) in old or not (parameter.requires_grad or name in key.split(".")):
                continue
            if not parameter.is_floating_point():
                continue
            scale = NOISE if "modules_to_save" in key else deviation
            random = torch.randn(parameter.shape, generator=_generator(f"{name}:{key}"))
            parameter.add_(scale * random.to(parameter.dtype))


def build(spec: Spec, names: list[str] | tuple[str, ...]) -> nn.Module:
    """The model with the adapters `names`, the first one active; the plain model if there are none."""
    model = build_base(spec)
    for name in names:
        model = add(model, name, spec)
    if names:
        activate(model, (names[0],), spec)
    return model


def activate(model: nn.Module, names: tuple[str, ...], spec: Spec) -> None:
    """Make `names` the active adapters, in this order, by the call the library offers for it."""
    one = names[0] if len(names) == 1 else list(names)
    if isinstance(one, str) or spec.get("through", "PeftModel") != "PeftModel":
        model.set_adapter(one)
    else:  # PeftModel.set_adapter takes one name only
        model.base_model.set_adapter(one)
    for parameter in model.parameters():
        parameter.grad = None


def save(spec: Spec, names: tuple[str, ...], model: nn.Module, folder: Path) -> dict[str, Path]:
    """Save every adapter of a PeftModel; returns the directory of each."""
    model.save_pretrained(str(folder), selected_adapters=list(names))
    return {name: folder / name for name in names}


def load(spec: Spec, places: dict[str, Path]) -> nn.Module:
    """A fresh model that loads the saved adapters one beside the other, the first one active."""
    import peft

    model: Any = build_base(spec)
    for name, place in places.items():
        if isinstance(model, peft.PeftModel):
            model.load_adapter(str(place), adapter_name=name)
        else:
            model = peft.PeftModel.from_pretrained(model, str(place), adapter_name=name)
    return model.eval()


def _generator(name: str) -> torch.Generator:
    return torch.Generator().manual_seed(zlib.crc32(name.encode()) + SEED)
