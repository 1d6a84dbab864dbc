"""A model's state, put back after a run: buffers, numbers and tensors of its modules, hooks, random numbers.

BatchNorm's averages move in training, counters count, caches grow. A run must neither see what another one
left there, nor leave anything to the next. What did not move is not written.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch

from ..trace.module_paths import walked
from ..trace.tensors import TENSORS, readable

_KEPT = TENSORS | {int, float, torch.nn.Buffer}
"""Types of attributes that are looked at, by identity: this is asked of every attribute around every run."""


class _Kept(NamedTuple):
    """A tensor with what it held when it was looked at."""

    tensor: torch.Tensor
    version: int
    value: torch.Tensor


def _take_away(hooks: list[tuple[torch.nn.Module, tuple[int, ...]]]) -> None:
    """Hooks that a run has left: some libraries take theirs away only where the call goes well."""
    for module, kept in hooks:
        for number in [n for n in module._forward_pre_hooks if n not in kept]:
            del module._forward_pre_hooks[number]
            module._forward_pre_hooks_with_kwargs.pop(number, None)


class KeptState:
    """What the modules of one model keep beside their parameters."""

    def __init__(self, model: torch.nn.Module, *, hooks: bool = True) -> None:
        self.model, self.hooks = model, hooks
        self.moved: set[str] = set()
        """Paths of modules whose buffers any run has moved."""
        self.moves = False
        """Whether any run has moved anything."""
        self._kept: dict[int, _Kept] = {}
        self._random = torch.get_rng_state()

    @contextmanager
    def around_run(self) -> Iterator[None]:
        """Everything is as before after the block; random numbers in it are those of any other run."""
        before = torch.get_rng_state()
        held = [(path, m, *self._look_at(m)) for path, m in walked(self.model).items()]
        hooks = [(m, tuple(m._forward_pre_hooks)) for _, m, *_ in held]
        torch.set_rng_state(self._random)
        try:
            yield
        finally:
            torch.set_rng_state(before)
            _take_away(hooks if self.hooks else [])
            for path, module, buffers, others in held:
                self._put_back(path, module, buffers, others)

    def _look_at(self, module: torch.nn.Module) -> tuple[dict[str, Any], dict[str, Any]]:
        buffers, own = module._buffers, vars(module)
        others = {k: v for k, v in own.items() if type(v) in _KEPT}
        for value in (*buffers.values(), *others.values()):
            if isinstance(value, torch.Tensor):
                self._keep(value)
        return dict(buffers), others

    def _keep(self, tensor: torch.Tensor) -> None:
        known = self._kept.get(id(tensor))
        if known is None or known.tensor is not tensor or known.version != tensor._version:
            self._kept[id(tensor)] = _Kept(tensor, tensor._version, tensor.detach().clone())

    def _put_back(
        self, path: str, module: torch.nn.Module, buffers: dict[str, Any], others: dict[str, Any]
    ) -> None:
        written = sum(self._restore(t) for t in buffers.values() if t is not None)
        if written or any(module._buffers.get(name) is not value for name, value in buffers.items()):
            module._buffers.update(buffers)
            self.moved.add(path)
            self.moves = True
        own = vars(module)
        for name, value in others.items():
            if isinstance(value, torch.Tensor) and self._restore(value):
                self.moves = True
            now = own.get(name)
            if now is not value and (isinstance(value, torch.Tensor) or now != value):
                own[name] = value
                self.moves = True

    def _restore(self, tensor: torch.Tensor) -> bool:
        """Whether the tensor was written to, which is undone."""
        kept = self._kept[id(tensor)]
        if tensor._version == kept.version and _same(tensor, kept.value):
            return False
        with torch.no_grad():
            tensor.copy_(kept.value)
        self._kept[id(tensor)] = kept._replace(version=tensor._version)
        return True


def _same(tensor: torch.Tensor, value: torch.Tensor) -> bool:
    """Whether all values are equal, NaN to itself: batch norm's kernel writes without a new version."""
    tensor, value = readable(tensor), readable(value)
    if torch.equal(tensor, value):
        return True
    return tensor.is_floating_point() and torch.allclose(tensor, value, rtol=0.0, atol=0.0, equal_nan=True)
