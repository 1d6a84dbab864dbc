"""Which adapters of a model act: the calls that a user makes, and the state between them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

_DISABLED = "_context_of_disabled_adapters"
"""Attribute of a model: the context manager in which its adapters are disabled now."""


class Switch:
    """Switches the adapters of one model, which may be the library's or one of transformers with adapters."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.is_wrapped = hasattr(model, "disable_adapter")

    @property
    def is_disabled(self) -> bool:
        """Whether `disable` was called last."""
        return _DISABLED in vars(self.model)

    def disable(self) -> None:
        """No adapter acts, until `enable`."""
        context = self.model.disable_adapter() if self.is_wrapped else _disabled(self.model)
        context.__enter__()
        vars(self.model)[_DISABLED] = context

    def enable(self) -> None:
        """The adapters that were chosen act again."""
        context = vars(self.model).pop(_DISABLED, None)
        if context is not None:
            context.__exit__(None, None, None)

    def choose(self, names: Sequence[str]) -> None:
        """Make these adapters act together. `PeftModel.set_adapter` takes one name only."""
        if len(names) == 1:
            self.model.set_adapter(names[0])
        else:
            chooser = self.model.base_model if self.is_wrapped else self.model
            chooser.set_adapter(list(names))

    def combine(self, names: Sequence[str], combined: str, arguments: dict[str, Any]) -> None:
        """Add a weighted combination, in place of an earlier one of that name."""
        if combined in self.model.peft_config:
            self.model.delete_adapter(combined)
        with _device_of(self.model):
            self.model.add_weighted_adapter(list(names), adapter_name=combined, **arguments)


@contextlib.contextmanager
def _disabled(model: Any) -> Iterator[None]:
    """transformers' own calls."""
    model.disable_adapters()
    try:
        yield
    finally:
        model.enable_adapters()


def _device_of(model: Any) -> contextlib.AbstractContextManager[Any]:
    import torch

    device: contextlib.AbstractContextManager[Any] = torch.device(next(model.parameters()).device)
    return device
