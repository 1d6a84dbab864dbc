"""An adapter as `save_adapter` of `adapters` writes it: its library says what the base model takes."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..errors import BuildError
from ..facts.saved_facts import SavedFacts
from ..knowledge.library_names import ADAPTERS


def class_names(config: Mapping[str, Any]) -> list[str]:
    """The class that it was saved from, where that is not one of the library's own."""
    import transformers

    name = str(config.get("model_class"))
    return [name] if hasattr(transformers, name) else []


def facts_on(facts: SavedFacts, config: Mapping[str, Any], model: Any) -> SavedFacts:
    """The facts with what this base model takes. Raises BuildError where it cannot take the adapter."""
    import adapters
    import torch
    from adapters.loading import AdapterLoader

    logging.getLogger("adapters").setLevel(logging.ERROR)
    name = str(config.get("name"))
    try:
        with torch.device("meta"):
            if not isinstance(model, adapters.ModelAdaptersMixin):
                adapters.init(model)
            model.add_adapter(name, config=adapters.AdapterConfig.load(config["config"]))
    except (ValueError, KeyError, TypeError, AttributeError, NotImplementedError) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BuildError("the adapter cannot be added to its base model", why=why) from error
    is_own = AdapterLoader(model).filter_func(name)
    own = {n: tuple(value.shape) for n, value in model.state_dict().items() if is_own(n)}
    return replace(
        facts,
        expected=own,
        modules={tensor: tensor.rpartition(".")[0] for tensor in facts.tensors if tensor in own},
        ends=frozenset(t for t in facts.tensors if any(part in t for part in ADAPTERS.ends)),
    )
