"""From a directory to the facts about the adapter in it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..facts.saved_facts import SavedFacts
from ..request.model_source import ModelSource, resolve
from . import adapters_checkpoint, peft_checkpoint
from .base_model import base_models, tied_modules
from .tensor_files import shapes_in, values_in

CONFIG = "adapter_config.json"
FILES = ("adapter_model.safetensors", "adapter_model.bin", "adapter.safetensors", "pytorch_adapter.bin")
WHOLE = ("model*.safetensors", "pytorch_model*.bin")
_OF_ADAPTERS = (".lora_", ".base_layer.", ".modules_to_save.")
LARGEST = 1 << 22
"""Numbers of a tensor that is looked at for not being finite: more than any adapter's matrix has."""


def read_directory(
    directory: Path, base: str | None, *, offline: bool = False
) -> tuple[SavedFacts, str, str]:
    """The facts, the base model's name, and the library that saved the adapter.

    Raises UsageError where there is no adapter that can be read, or its base model is not found.
    """
    if not directory.is_dir():
        raise UsageError(f"there is no directory {directory}")
    if not (directory / CONFIG).is_file():
        return _whole_model(directory), base or "", ""
    config = _config(directory / CONFIG)
    library = "peft" if "peft_type" in config else "adapters"
    name = base or config.get("base_model_name_or_path") or config.get("model_name")
    if not name:
        raise UsageError(f"{directory / CONFIG} names no base model", do="say it: --base MODEL")
    facts = _with_values(_tensors(directory), directory)
    source = resolve(str(name), offline=offline)
    return _on_base(facts, config, source, library), str(name), library


def _on_base(facts: SavedFacts, config: Mapping[str, Any], source: ModelSource, library: str) -> SavedFacts:
    """Held against the class of the base model that takes most of the tensors."""
    part = peft_checkpoint if library == "peft" else adapters_checkpoint
    best: SavedFacts | None = None
    for model in base_models(source, part.class_names(config)):
        tied = tied_modules(model)
        found = replace(part.facts_on(facts, config, model), tied=tied)
        if best is None or len(found.unmatched) < len(best.unmatched):
            best = found
        if not best.unmatched:
            break
    if best is None:
        raise UsageError(f"{source.name} is no model that an adapter can be held against")
    return best


def _config(file: Path) -> dict[str, Any]:
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {file}", why=str(error).splitlines()[0]) from error
    if not isinstance(data, dict) or not ("peft_type" in data or "config" in data):
        raise UsageError(
            f"{file} is the configuration of no adapter", why="neither peft nor adapters wrote it"
        )
    return data


def _tensors(directory: Path) -> SavedFacts:
    file = next((directory / name for name in FILES if (directory / name).is_file()), None)
    if file is None:
        raise UsageError(f"{directory} has no tensors", why=f"none of {', '.join(FILES)} is there")
    whole = [name for f in _whole_files(directory) for name in shapes_in(f)]
    return SavedFacts(
        file.name, tensors=shapes_in(file), base_weights=tuple(n for n in whole if not _is_wrapped(n))
    )


def _with_values(facts: SavedFacts, directory: Path) -> SavedFacts:
    """With the tensors that are zero all through, or not finite."""
    zero, not_finite = set(), set()
    small = [name for name, shape in facts.tensors.items() if _size(shape) <= LARGEST]
    for name, value in values_in(directory / facts.file, small):
        if not value.is_floating_point():
            continue
        if not bool(value.isfinite().all()):
            not_finite.add(name)
        elif not bool(value.any()):
            zero.add(name)
    return replace(facts, zero=frozenset(zero), not_finite=frozenset(not_finite))


def _size(shape: Iterable[int]) -> int:
    size = 1
    for axis in shape:
        size *= axis
    return size


def _whole_model(directory: Path) -> SavedFacts:
    """A directory without an adapter's configuration: maybe a model that was saved with its adapters on."""
    files = _whole_files(directory)
    if not files:
        raise UsageError(f"{directory} has neither {CONFIG} nor a model's weights")
    tensors = {name: shape for file in files for name, shape in shapes_in(file).items()}
    wrapped = tuple(sorted(name for name in tensors if _is_wrapped(name)))
    return SavedFacts(files[0].name, tensors=tensors, expected=tensors, wrapped=wrapped)


def _is_wrapped(name: str) -> bool:
    return any(part in name for part in _OF_ADAPTERS)


def _whole_files(directory: Path) -> list[Path]:
    return sorted(f for pattern in WHOLE for f in directory.glob(pattern) if f.name not in FILES)
