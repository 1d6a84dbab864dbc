"""Notes each composition that a script runs, with the inputs of its first call (`run --check`)."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import wraps
from types import ModuleType
from typing import Any

from .left_contexts import after_import
from .model_call import ModelCall, forward_call, generating, has_adapters

MODULES = "torch.nn.modules.module"
"""Where the class of all models is."""


@dataclass(frozen=True)
class Observed:
    """A call, and the composition that was active in it, as the library's object."""

    call: ModelCall
    set_up: Any


@dataclass
class Observer:
    """All compositions that ran, each once, in the order of their first calls."""

    found: dict[tuple[int, str, str], Observed] = field(default_factory=dict)
    _inside: threading.local = field(default_factory=threading.local)
    _undo: Callable[[], None] | None = None

    def start(self) -> None:
        """Follow all calls of modules, once there are modules."""
        after_import(MODULES, self._follow)

    def stop(self) -> None:
        """Follow nothing any more."""
        if self._undo is not None:
            self._undo()

    def _follow(self, module: ModuleType) -> None:
        base = module.Module
        call = base.__call__

        @wraps(call)
        def noted(model: Any, *arguments: Any, **named: Any) -> Any:
            if getattr(self._inside, "model", False) or not has_adapters(model):
                return call(model, *arguments, **named)
            self._inside.model = True
            try:
                self._note(model, {"": arguments, **named})
                return call(model, *arguments, **named)
            finally:
                self._inside.model = False

        def undo() -> None:
            base.__call__ = call

        base.__call__, self._undo = noted, undo

    def _note(self, model: Any, arguments: Mapping[str, Any]) -> None:
        from ..library.find_library import library_of

        library = library_of(model)
        set_up = library.active(model) if library is not None else None
        if set_up is None:
            return
        call = _generating_around(model) or forward_call(model, arguments)
        key = (id(model), str(set_up), call.mode)
        if key not in self.found:
            self.found[key] = Observed(replace(call, inputs=_kept(call.inputs)), set_up)


def _generating_around(model: Any) -> ModelCall | None:
    """The call of the model's `generate` that is under way."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        frame = frame.f_back
        found = generating(frame)
        if found is not None and found.model is model:
            return found
    return None


def _kept(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs as they are now: a script may write into its tensors."""
    import torch

    return {
        name: value.detach().clone() if isinstance(value, torch.Tensor) else value
        for name, value in inputs.items()
    }
