"""A checkpoint of `peft` as its configuration and tensors say it; `peft` itself is not needed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..facts.saved_facts import SavedFacts, Shape, Target
from ..knowledge.library_names import PEFT_FILES

PREFIX = "base_model.model."
_INNER = ("", ".base_layer", ".modules_to_save", ".original_module")
"""Where the bias of a module may be that `peft` has put something around."""
_LAYER = re.compile(r".*\.[^.]*\.(\d+)\.")


def class_names(config: Mapping[str, Any]) -> list[str]:
    """Classes of transformers that the base model may be of, the likeliest first."""
    mapped = (config.get("auto_mapping") or {}).get("base_model_class")
    task = PEFT_FILES.task_classes.get(str(config.get("task_type")))
    return [name for name in (mapped, task) if name]


def facts_on(facts: SavedFacts, config: Mapping[str, Any], model: Any) -> SavedFacts:
    """The facts with what this base model would take."""
    modules = dict(model.named_modules())
    targets = tuple(_targets(config, modules))
    found = replace(
        facts,
        targets=targets,
        modules={name: path for name in facts.tensors if (path := _module_of(name, modules)) is not None},
        ends=frozenset(n for n in facts.tensors if any(part in n for part in PEFT_FILES.ends)),
    )
    kind = str(config.get("peft_type"))
    # Prompts belong to no module of the base model.
    found = replace(found, modules={**{n: "" for n in facts.tensors if "." not in n}, **found.modules})
    if kind != PEFT_FILES.lora:
        why = f"which tensors a {kind} adapter has is not known here: only their modules were looked for"
        return replace(found, unknowns=(*found.unknowns, why))
    expected, optional = _expected(config, modules, targets)
    return replace(found, expected=expected, optional=frozenset(optional))


def _targets(config: Mapping[str, Any], modules: Mapping[str, Any]) -> Iterator[Target]:
    wanted = config.get("target_modules") or ()
    paths = [path for path in modules if path and not _excluded(path, config)]
    if isinstance(wanted, str):
        every = wanted == PEFT_FILES.all_linear
        fits = (lambda p: hasattr(modules[p], "in_features")) if every else re.compile(wanted).fullmatch
        yield Target(wanted, tuple(p for p in paths if fits(p)))
    else:
        numbers = config.get("layers_to_transform")
        chosen = {numbers} if isinstance(numbers, int) else set(numbers or ())
        for name in wanted:
            found = _named(name, paths)
            yield Target(name, tuple(p for p in found if not chosen or _layer(p, config) in chosen))
        layers = {_layer(p, config) for p in paths}
        for number in sorted(chosen - layers):
            yield Target(str(number), (), "layers_to_transform")
    heads = {name: _named(name, modules) for name in config.get("modules_to_save") or ()}
    for name, whole in heads.items():
        # peft itself names every head that there may be, where the task has one.
        if whole or name not in PEFT_FILES.default_heads or not any(heads.values()):
            yield Target(name, whole, "modules_to_save")


def _named(name: str, paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(path for path in paths if path == name or path.endswith(f".{name}"))


def _excluded(path: str, config: Mapping[str, Any]) -> bool:
    """Whether the configuration takes a module out, or saves it whole."""
    without = config.get("exclude_modules") or ()
    if isinstance(without, str):
        return re.fullmatch(without, path) is not None
    if any(path == name or path.endswith(f".{name}") for name in without):
        return True
    return any(re.match(rf"(^|.*\.){m}($|\..*)", path) for m in config.get("modules_to_save") or ())


def _layer(path: str, config: Mapping[str, Any]) -> int | None:
    patterns = config.get("layers_pattern") or ()
    patterns = [patterns] if isinstance(patterns, str) else patterns
    tried = [re.compile(rf".*\.{pattern}\.(\d+)\.") for pattern in patterns] or [_LAYER]
    found = next((m for m in (pattern.match(path) for pattern in tried) if m), None)
    return int(found[1]) if found else None


def _module_of(name: str, modules: Mapping[str, Any]) -> str | None:
    """The module that a tensor is for: the longest path of the base model that its name begins with."""
    parts = name.removeprefix(PREFIX).split(".")
    paths = (".".join(parts[:n]) for n in range(len(parts) - 1, 0, -1))
    return next((path for path in paths if path in modules and _is_leaf(modules[path])), None)


def _is_leaf(module: Any) -> bool:
    return next(module.parameters(recurse=False), None) is not None


def _expected(
    config: Mapping[str, Any], modules: Mapping[str, Any], targets: Sequence[Target]
) -> tuple[dict[str, Shape], set[str]]:
    """Name -> shape of what a LoRA on these targets has, and which of them may be absent."""
    shapes: dict[str, Shape] = {}
    optional: set[str] = set()
    for target in targets:
        for path in target.modules:
            if target.where == "modules_to_save":
                inner = modules[path].named_parameters()
                shapes |= {f"{PREFIX}{path}.{name}": tuple(value.shape) for name, value in inner}
            elif target.where == "target_modules":
                shapes |= dict(_lora(path, modules[path], config))
    if config.get("bias", "none") != "none":
        places = [(f"{PREFIX}{p}", m.bias) for p, m in modules.items() if _has_bias(m)]
        biases = {f"{name}{inner}.bias": bias for name, bias in places for inner in _INNER}
        shapes |= {name: tuple(bias.shape) for name, bias in biases.items() if name not in shapes}
        optional |= biases.keys()
    # peft saves embeddings whole where the vocabulary was changed, or may have been.
    for target in targets:
        whole = (p for p in target.modules if p.rpartition(".")[2] in PEFT_FILES.embeddings)
        names = {f"{PREFIX}{path}.weight": tuple(modules[path].weight.shape) for path in whole}
        names |= {n.replace(".weight", ".base_layer.weight"): shape for n, shape in names.items()}
        shapes |= names
        optional |= names.keys()
    return shapes, optional


def _has_bias(module: Any) -> bool:
    return module._parameters.get("bias") is not None


def _lora(path: str, module: Any, config: Mapping[str, Any]) -> Iterator[tuple[str, Shape]]:
    """The two matrices of a module, by what its weight is."""
    weight = module._parameters.get("weight")
    if weight is None or weight.dim() < 2:
        return
    rank = _rank(path, config)
    name = f"{PREFIX}{path}"
    outer, inner, *kernel = weight.shape
    if hasattr(module, "num_embeddings"):
        yield f"{name}.lora_embedding_A", (rank, outer)
        yield f"{name}.lora_embedding_B", (inner, rank)
        return
    if hasattr(module, "nf"):  # transformers' Conv1D keeps its weight the other way round
        outer, inner = inner, outer
    yield f"{name}.lora_A.weight", (rank, inner, *kernel)
    yield f"{name}.lora_B.weight", (outer, rank, *(1 for _ in kernel))
    if config.get("use_dora"):
        yield f"{name}.lora_magnitude_vector", (outer,)
    if config.get("lora_bias"):
        yield f"{name}.lora_B.bias", (outer,)


def _rank(path: str, config: Mapping[str, Any]) -> int:
    """r, or what `rank_pattern` says of this module."""
    for pattern, rank in (config.get("rank_pattern") or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", path):
            return int(rank)
    return int(config.get("r", 8))
