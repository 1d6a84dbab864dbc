"""The cases of the accuracy benchmark: deterministic, stratified, as spec lines of ``batch``."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from . import shapes
from .expr import lanes, parse
from .methods import MAIN, Method, at_least, available
from .models import MODELS, TinyModel, write_models

Spec = dict[str, Any]
SEQ_LEN = 7
_NO_POSITIONS = {"distilbert", "clip_text_model"}
_EAGER_ONLY_DEFAULT = (None, None, None, "eager")
_OF_HEADS = ("lora", "seq_bn", "prefix_tuning")
_NAMED_HEADS = {
    "encoder": ("classification", "tagging", "question_answering"),
    "decoder": ("classification", "tagging", "causal_lm"),
    "seq2seq": ("classification", "question_answering", "seq2seq_lm"),
    "audio": ("seq2seq_lm",),
    "vision": ("image_classification",),
}
"""Types of heads under names, by the kind of model."""
_WITH_CLASSES = ("classification", "image_classification", "tagging")
_SPOILT_BY_MASKS = ("tagging",)
"""With padding, their labels need the mask of their rows, and get that of the batch."""
_WITHOUT_NAMED_HEADS = ("encoder-decoder", "clip_text_model", "clip_vision_model", "clip")
_LM_HEAD = {"decoder": "CausalLM", "seq2seq": "Seq2SeqLM", "audio": "SpeechSeq2Seq"}


def grid(seed: int, size: int, release: str, folder: Path) -> list[Spec]:
    """Return ``size`` specs for a release; model directories are written below ``folder``.

    The first share meets every model x main method x main block (as far as ``size`` allows), the rest is
    sampled.
    """
    directories = write_models(folder)
    maker = _Maker(random.Random(f"{seed}-{release}"), release)
    core = maker.core()
    room = len(core) if size >= 1.5 * len(core) else int(size * 0.6)
    maker.rng.shuffle(core)
    cases = [maker.spec(*choice) for choice in core[:room]]
    while len(cases) < size:
        cases.append(maker.spec(*maker.sample()))
    for index, case in enumerate(cases):
        name = case["model"]
        case["id"] = f"{release}-{seed}-{index:05d}-{name}"
        case["model"] = str(directories[name])
    return cases


def open_cases(seed: int, release: str, folder: Path) -> list[Spec]:
    """Every model with the nests of `shapes.OPEN`, with a bottleneck and, where it can be, with LoRA."""
    directories = write_models(folder)
    maker = _Maker(random.Random(f"open-{seed}-{release}"), release)
    cases = []
    for name in maker.models:
        for kind, template in shapes.OPEN.items():
            for method in ("seq_bn",) if kind.startswith("fuse") else ("seq_bn", "lora"):
                case = maker.spec(name, method, template)
                case |= {"id": f"{release}-open-{kind}-{method}-{name}", "model": str(directories[name])}
                cases.append(case)
    return cases


def head_cases(seed: int, release: str, folder: Path) -> list[Spec]:
    """Every model that has them with heads under names, one an adapter, in compositions of one and more."""
    directories = write_models(folder)
    maker = _Maker(random.Random(f"heads-{seed}-{release}"), release)
    cases = []
    for name, model in maker.models.items():
        plugged_in = at_least(model.since, "1.2.0")  # no class of the library's own
        if not plugged_in and model.config["model_type"] not in _WITHOUT_NAMED_HEADS:
            for shape, template in shapes.HEADED.items():
                case = maker.headed(name, template)
                case |= {"id": f"{release}-heads-{shape}-{name}", "model": str(directories[name])}
                cases.append(case)
    return cases


class _Maker:
    def __init__(self, rng: random.Random, release: str) -> None:
        self.rng, self.release = rng, release
        self.methods = available(release)
        self.tasks = at_least(release, "1.2.0")
        self.models = {n: m for n, m in MODELS.items() if at_least(release, m.since)}

    def core(self) -> list[tuple[str, str, shapes.Template]]:
        """Every model x main method x main block, and the special blocks with their methods."""
        main = [m for m in MAIN if m in self.methods]
        choices = [(name, m, block) for name in self.models for m in main for block in shapes.MAIN.values()]
        for kind, (template, methods) in shapes.SPECIAL.items():
            if kind != "multitask" or self.tasks:
                choices += [(name, m, template) for name in self.models for m in methods if m in self.methods]
        return choices

    def sample(self) -> tuple[str, str, shapes.Template]:
        """Any model, method and composition; main blocks are likelier than rare nests."""
        name = self.rng.choice(list(self.models))
        method = self.rng.choice(list(self.methods))
        pools = [shapes.MAIN, shapes.MAIN, shapes.NESTS, shapes.NESTS, shapes.NESTS]
        if self.rng.random() < 0.06:
            pools = [shapes.INVALID]
        elif self.tasks and self.rng.random() < 0.08:
            pools = [shapes.TASKS]
            method = self.rng.choice([m for m in self.methods if "lora" in m])
        pool = self.rng.choice(pools)
        return name, method, pool[self.rng.choice(list(pool))]

    def spec(self, name: str, method: str, template: shapes.Template) -> Spec:
        """Dress a choice of model, method and composition with everything else."""
        model, rng = self.models[name], self.rng
        wide = template(3, SEQ_LEN, random.Random(0))
        batch = rng.choice([3, 3, 3, 1, 2 * lanes(parse(wide)), 5])
        compose = template(batch, SEQ_LEN, rng)
        spec: Spec = {"model": name, "compose": compose, "batch": batch, "seq_len": SEQ_LEN}
        spec["mask"] = (
            rng.choice(["none", "full", "right", "left"]) if model.kind not in ("vision", "audio") else "none"
        )
        spec["adapters"] = self._adapters(compose, method, model)
        self._mode_and_head(spec, model)
        self._extras(spec, model)
        return spec

    def headed(self, name: str, template: shapes.Template) -> Spec:
        """A case with a head for each adapter, of unequal sizes where they have any."""
        rng, model = self.rng, self.models[name]
        spec = self.spec(name, rng.choice(_OF_HEADS), template)
        for field in ("head", "inputs", "gradient_checkpointing", "skip_layers"):
            spec.pop(field, None)
        spec["mode"] = rng.choice(["forward", "forward", "train"])
        kind = rng.choice(_NAMED_HEADS[model.kind])
        spec["heads"] = {
            adapter: f"{kind}[num_labels={2 + at}]" if kind in _WITH_CLASSES else kind
            for at, adapter in enumerate(spec["adapters"])
        }
        if kind not in _SPOILT_BY_MASKS or spec["mask"] == "none":
            spec["inputs"] = rng.choice([[], ["labels"]])
        return spec

    def _adapters(self, compose: str, method: str, model: TinyModel) -> dict[str, str]:
        """Configuration of each child: mostly alike, some unlike, some with layers left out."""
        rng = self.rng
        names = parse(compose).adapters()
        chosen: dict[str, Method] = dict.fromkeys(names, self.methods[method])
        if rng.random() < 0.15:
            chosen[rng.choice(names)] = self.methods[rng.choice(list(self.methods))]
        configs = {n: m.config for n, m in chosen.items()}
        if rng.random() < 0.15:
            layers = rng.choice([[0], [1], [0, 1], [2]])
            targets = names if rng.random() < 0.5 else [rng.choice(names)]
            configs |= {n: chosen[n].without_layers(layers, _depth(model)) for n in targets}
        return configs

    def _mode_and_head(self, spec: Spec, model: TinyModel) -> None:
        rng = self.rng
        lm_head = _LM_HEAD.get(model.kind)
        can_generate = lm_head in model.heads and _can_generate(model)
        draw = rng.random()
        if draw < 0.12 and can_generate:
            spec["mode"], spec["head"] = rng.choice(["generate", "beam"]), lm_head
            return
        spec["mode"] = "train" if draw > 0.88 else "forward"
        if spec["mode"] == "train" and rng.random() < 0.3:
            spec["gradient_checkpointing"] = True
        if model.heads and rng.random() < 0.25:
            spec["head"] = rng.choice(model.heads)

    def _extras(self, spec: Spec, model: TinyModel) -> None:
        rng = self.rng
        attention = rng.choice(_EAGER_ONLY_DEFAULT)
        if attention:
            spec["attn"] = attention
        if rng.random() < 0.08:
            spec["skip_layers"] = rng.choice([[0], [1]])
        if spec["mode"] in ("generate", "beam"):
            return
        inputs = [name for name in self._possible_inputs(spec, model) if rng.random() < 0.15]
        if inputs:
            spec["inputs"] = inputs

    def _possible_inputs(self, spec: Spec, model: TinyModel) -> list[str]:
        """Inputs besides the main one that the bare model accepts."""
        possible, head = [], spec.get("head")
        kind = model.config["model_type"]
        if model.kind in ("encoder", "decoder") and kind not in _NO_POSITIONS:
            possible.append("position_ids")
        if model.kind in ("encoder", "decoder") and kind != "clip_text_model" and head is None:
            possible.append("inputs_embeds")
        if model.kind == "seq2seq" and head in (None, "Seq2SeqLM"):
            possible.append("inputs_embeds")
        if model.kind in ("seq2seq", "audio") and head in (None, "Seq2SeqLM", "SpeechSeq2Seq"):
            possible += ["decoder_attention_mask", "decoder_inputs_embeds"]
        if head:
            possible += ["labels", "labels"]
        return list(dict.fromkeys(possible))


def _depth(model: TinyModel) -> int:
    """Layers of all stacks together, the way the library counts them."""
    config = model.config
    names = ("num_hidden_layers", "n_layer", "n_layers", "encoder_layers", "num_layers")
    depth = next((int(config[n]) for n in names if n in config), 2)
    return depth + int(config.get("decoder_layers", config.get("num_decoder_layers", 0)))


def _can_generate(model: TinyModel) -> bool:
    """Transformers cannot generate with T5 models whose stacks differ in depth."""
    config = model.config
    return config.get("num_decoder_layers", 0) in (0, config.get("num_layers", 0))
