"""What the parts of a model are called: one walk, much quicker than `named_modules` of deep models."""

from __future__ import annotations

from typing import NamedTuple

import torch


class Names(NamedTuple):
    """What the parts of a model are called, by identity."""

    tensors: dict[int, str]
    modules: dict[int, str]


def names_in(model: torch.nn.Module) -> Names:
    """Names of all parameters and buffers, and paths of all modules."""
    names: dict[int, str] = {}
    paths: dict[int, str] = {}
    for path, module in walked(model).items():
        paths[id(module)] = path
        for name, tensor in own_tensors(module).items():
            names.setdefault(id(tensor), f"{path}.{name}" if path else name)
    return Names(names, paths)


def walked(model: torch.nn.Module) -> dict[str, torch.nn.Module]:
    """All modules by path, each once, parents first (`named_modules` takes a step for each level above)."""
    found: dict[str, torch.nn.Module] = {}
    seen: set[int] = set()
    waiting = [("", model)]
    while waiting:
        path, module = waiting.pop()
        if id(module) in seen:
            continue
        seen.add(id(module))
        found[path] = module
        prefix = path + "." if path else ""
        waiting += [
            (prefix + n, child) for n, child in reversed(module._modules.items()) if child is not None
        ]
    return found


def own_tensors(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers of the module itself, by name."""
    return {n: t for n, t in (*module._parameters.items(), *module._buffers.items()) if t is not None}
