"""Functions that make models for the tests: `toy_factories:sleeps` and the like."""

from __future__ import annotations

import time
from typing import Any

from adapter_audit.auditor import toys


def sleeps() -> Any:
    """Never ends when it is executed."""
    return _hooked(lambda states: time.sleep(60) if states.device.type != "meta" else None)


def computes_for_ever() -> Any:
    """Never ends either, and keeps the processor busy."""
    return _hooked(lambda states: _busy() if states.device.type != "meta" else None)


def _busy() -> None:
    while True:
        pass


def raises() -> Any:
    """No model at all."""
    raise RuntimeError("no weights\ntoday")


def not_a_model() -> Any:
    """Something else than a model."""
    return 3


def exits() -> Any:
    """Ends the process without a word."""
    import os

    return _hooked(lambda states: os._exit(7) if states.device.type != "meta" else None)


def with_weights() -> Any:
    """A model whose own weights matter: twice the embeddings of the toy."""
    import torch

    model = toys.bert()
    with torch.no_grad():
        model.embeddings.word_embeddings.weight.mul_(2)
    return model


def _hooked(act: Any) -> Any:
    model = toys.bert()
    model.encoder.layer[0].register_forward_hook(
        lambda module, args, output: act(output[0] if isinstance(output, tuple) else output)
    )
    return model
