"""A recorder that also knows all lines that led to an op, and the keywords of each module call."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple

import torch

from ..source.source_files import relative_file
from ..trace.recorder import Recorder
from ..trace.records import Record, Site
from ..trace.stack_sites import current_site, stack_sites

Place = tuple[str, str, int, str]
"""Module, file, line and op."""


class Caller(NamedTuple):
    """Where a module was called first: in which module, at which line."""

    module: str
    site: Site | None


class Witness(Recorder):
    """Records values, frames and keywords: expensive, only to find the cause of a difference."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__(model, values=True)
        self.frames: dict[int, tuple[Site, ...]] = {}
        """Record -> model-code lines, innermost first."""
        self.given: dict[str, frozenset[str]] = {}
        """Module path -> keywords with a value that any of its calls was given."""
        self.classes: dict[str, type[torch.nn.Module]] = {}
        self.callers: dict[str, Caller] = {}
        """Module path -> where it was called first."""

    def _begin(self, *arguments: Any) -> Record:
        record = super()._begin(*arguments)
        self.frames[record.index] = stack_sites(sys._getframe(1))
        return record

    def call_module(
        self, original: Any, module: torch.nn.Module, args: Any, kwargs: Mapping[str, Any]
    ) -> Any:
        """Note the keywords of a module's call."""
        path = self._paths.get(id(module))
        if path is not None:
            named = {name for name, value in kwargs.items() if value is not None}
            self.given[path] = self.given.get(path, frozenset()) | named
            self.classes[path] = type(module)
            if path not in self.callers:
                self.callers[path] = Caller(self._stack[-1].path, current_site(sys._getframe(1)))
        return super().call_module(original, module, args, kwargs)

    @cached_property
    def by_shape(self) -> Mapping[torch.Size, list[torch.Tensor]]:
        """All values of the run, to ask whether one of them is known."""
        found: dict[torch.Size, list[torch.Tensor]] = {}
        for values in self.values or ():
            for value in values:
                found.setdefault(value.shape, []).append(value)
        return found

    @cached_property
    def returned(self) -> Mapping[int, list[torch.Tensor]]:
        """Record -> the tensors that it returned, as they are now."""
        return dict(self._outputs)

    @cached_property
    def by_place(self) -> Mapping[Place, list[Record]]:
        """All records by module, line and op, in order; only to be asked when the run is over."""
        found: dict[Place, list[Record]] = {}
        for record in self.trace.records:
            found.setdefault(place_of(record), []).append(record)
        return found

    def parameters(self) -> frozenset[str]:
        """Names of all parameters and buffers of the model."""
        return frozenset(self._names.values())

    def values_of(self, record: Record) -> list[torch.Tensor]:
        """What an op returned."""
        assert self.values is not None
        values: list[torch.Tensor] = self.values[record.index]
        return values


def place_of(record: Record) -> Place:
    """Where an op is, whichever call and turn of it this is."""
    return (record.key.module, *record.key[2:5])


def keywords_of(module_class: type[torch.nn.Module]) -> frozenset[str]:
    """The parameters that a module's forward takes by name."""
    return frozenset(_named(_forward_of(module_class)))


def start_of_forward(module_class: type[torch.nn.Module]) -> Site | None:
    """Where a module's forward is defined."""
    code = _forward_of(module_class).__code__
    file = relative_file(code.co_filename)
    return Site(file, code.co_firstlineno, code.co_name) if file is not None else None


def _forward_of(module_class: type[torch.nn.Module]) -> Any:
    """The first forward in the ancestry that names its parameters: wrappers hand all of them on."""
    forwards = [
        inspect.unwrap(c.__dict__["forward"]) for c in module_class.__mro__ if "forward" in c.__dict__
    ]
    return next((f for f in forwards if _named(f)), forwards[0])


def _named(function: Any) -> list[str]:
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = inspect.signature(function).parameters.values()
    return [p.name for p in parameters if p.kind not in kinds and p.name != "self"]
