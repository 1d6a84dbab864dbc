"""Set-ups that are right in every release from 1.0.0 to 1.3.0: an error found in one is a false alarm."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

from .methods import METHODS
from .models import write_models

Spec = dict[str, Any]
_BOTTLENECKS_AND_PREFIX = ("seq_bn", "double_seq_bn", "prefix_tuning")
METHODS_OF = {
    "bert": ("lora", "ia3", *_BOTTLENECKS_AND_PREFIX),
    "albert": ("lora", "ia3", *_BOTTLENECKS_AND_PREFIX),
    "electra": ("lora", "ia3", *_BOTTLENECKS_AND_PREFIX),
    "t5": (*_BOTTLENECKS_AND_PREFIX, "lora-ffn"),
    "bart": (*_BOTTLENECKS_AND_PREFIX, "lora-ffn"),
    "mbart": (*_BOTTLENECKS_AND_PREFIX, "lora-ffn"),
    "gpt2": _BOTTLENECKS_AND_PREFIX,
}
"""Names of models and of methods of the grid."""
RANKS = {"a": "lora[r=2]", "b": "lora[r=5]", "c": "lora[r=3]"}
"""Adapters of one kind need not be alike."""
ROWS, MASKS, LANES = (1, 3, 4), ("none", "full", "right"), (2, 3)


UNPADDED = (("gpt2", "prefix_tuning"),)
"""Only without padding: the model puts the mask over the prefix, so that it has no effect."""


def everything(folder: Path) -> list[Spec]:
    """Every set-up in every circumstance; model directories are written below `folder`."""
    return [
        _spec(folder, *setup, *circumstance)
        for setup in _setups()
        for circumstance in product(ROWS, MASKS, LANES)
    ]


def sample(folder: Path) -> list[Spec]:
    """Every set-up once, in circumstances that take turns."""
    circumstances = list(product(ROWS, MASKS, LANES))
    return [
        _spec(folder, *setup, *circumstances[(7 * number) % len(circumstances)])
        for number, setup in enumerate(_setups())
    ]


def _setups() -> Iterator[tuple[str, str, dict[str, str]]]:
    """Model, a name for its adapters, and their configurations."""
    for model, methods in METHODS_OF.items():
        for method in methods:
            yield model, method, dict.fromkeys("abc", METHODS[method].config)
    for model in ("bert", "albert", "electra"):
        yield model, "ranks", RANKS


def _spec(folder: Path, model: str, name: str, adapters: dict[str, str], *rest: Any) -> Spec:
    rows, mask, lanes = rest
    if (model, name) in UNPADDED and mask == "right":
        mask = "full"
    names = "abc"[:lanes]
    return {
        "id": f"{model}-{name}-{rows}-{rest[1]}-{lanes}",
        "model": str(write_models(folder)[model]),
        "compose": f"parallel({','.join(names)})",
        "adapters": {n: adapters[n] for n in names},
        "batch": rows,
        "seq_len": 7,
        "mask": mask,
        "attn": "sdpa" if model == "bert" else None,  # the others choose for themselves
    }
