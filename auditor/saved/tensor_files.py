"""Files of tensors: names and shapes from their headers, and values of the few that are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import UsageError

Shapes = dict[str, tuple[int, ...]]


def shapes_in(file: Path) -> Shapes:
    """Name -> shape of all tensors. Raises UsageError for a file that cannot be read."""
    with _opened(file) as tensors:
        if file.suffix == ".safetensors":
            return {name: tuple(tensors.get_slice(name).get_shape()) for name in tensors.keys()}  # noqa: SIM118
        return {name: tuple(value.shape) for name, value in tensors.items()}


def values_in(file: Path, names: list[str]) -> Iterator[tuple[str, Any]]:
    """The tensors of these names, one after the other."""
    with _opened(file) as tensors:
        for name in names:
            yield name, (tensors.get_tensor(name) if file.suffix == ".safetensors" else tensors[name])


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    import pickle

    import torch
    from safetensors import SafetensorError, safe_open

    unreadable = (OSError, SafetensorError, RuntimeError, EOFError, AttributeError, pickle.UnpicklingError)
    try:
        if file.suffix == ".safetensors":
            with safe_open(file, framework="pt") as tensors:
                yield tensors
        else:
            loaded = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
            yield {name: value for name, value in loaded.items() if isinstance(value, torch.Tensor)}
    except unreadable as error:
        raise UsageError(
            f"{file} holds no tensors that can be read", why=str(error).splitlines()[0]
        ) from error
