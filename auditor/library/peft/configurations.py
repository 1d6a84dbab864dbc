"""Adapter configurations as the library's objects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...knowledge.library_names import PEFT
from .configuration_check import saved_file
from .configuration_text import read


def configuration_classes() -> dict[str, Any]:
    """Name of a tuner -> class of its configuration. Keys of the table are plain strings before 0.14."""
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    return {str(getattr(k, "value", k)).lower(): v for k, v in PEFT_TYPE_TO_CONFIG_MAPPING.items()}


def configuration(config: str) -> Any:
    """The object for a text or a saved adapter's directory. Errors of both pass through."""
    saved = saved_file(config)
    if saved is not None:
        from peft import PeftConfig

        return PeftConfig.from_pretrained(str(saved.parent))
    written = read(config)
    return configuration_classes()[written.tuner](**written.arguments)


def with_task(loaded: Any, config: str, model: Any) -> Any:
    """A configuration with the task of the model's head, where it does not say one itself.

    The library wraps a model by its task, and trains a new head along with the adapter.
    """
    says = saved_file(config) is not None or "task_type" in read(config).arguments
    if not says and getattr(loaded, "task_type", None) is None:
        loaded.task_type = task_of(type(model).__name__, PEFT.tasks)
    return loaded


def text_of(loaded: Any) -> str:
    """A configuration as the text that makes it: what differs from the defaults of its class.

    Raises LookupError where no text says all of it.
    """
    name = str(getattr(loaded.peft_type, "value", loaded.peft_type)).lower()
    try:
        mine, plain = _said(loaded), _said(configuration_classes()[name]())
        changed = {key: value for key, value in mine.items() if plain.get(key) != value}
        text = f"{name}[{','.join(f'{k}={v!r}' for k, v in changed.items())}]" if changed else name
        alike = _said(configuration(text)) == mine
    except (KeyError, TypeError, ValueError) as error:
        raise LookupError(name) from error
    if not alike:
        raise LookupError(name)
    return text


def _said(loaded: Any) -> dict[str, Any]:
    """What a configuration says of the adapter; the order of names in a set is nothing that it says."""
    fields = {key: value for key, value in loaded.to_dict().items() if key not in PEFT.notes}
    return {k: sorted(v) if isinstance(v, (set, frozenset)) else v for k, v in fields.items()}


def task_of(class_name: str, tasks: Mapping[str, str]) -> str | None:
    """The library's task for a model class with a head; None for others."""
    return next((task for part, task in tasks.items() if part in class_name), None)


def picks_layers(loaded: Any) -> bool:
    """Whether it treats some layers otherwise than others, by their numbers."""
    fields = vars(loaded)
    if any(fields.get(name) not in (None, [], {}) for name in PEFT.layer_fields):
        return True
    names = (fields.get(name) for name in PEFT.module_fields)
    return any(re.search(r"\d", str(value)) for value in names if value)
