"""Finds libraries: the packages beside this file, and the entry points `adapter_audit.libraries`.

A library's package (or the module that an entry point names) has a `LIBRARY` that implements `Library`.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from importlib.metadata import entry_points
from typing import Any

import adapter_audit.auditor.library as package

from ..errors import UsageError
from .library import Library

ENTRY_POINT_GROUP = "adapter_audit.libraries"
DEFAULT = "adapters"


def library_named(name: str | None) -> Library:
    """The library of this name (None: the default one); raises UsageError with the known names."""
    wanted = name or DEFAULT
    if wanted in _shipped():
        return _library(f"{package.__name__}.{wanted}")
    for point in entry_points(group=ENTRY_POINT_GROUP):
        if point.name == wanted:
            return _library(point.value)
    raise UsageError(f"unknown adapter library {wanted!r}", do=f"known: {', '.join(library_names())}")


def library_names() -> tuple[str, ...]:
    """Names of all libraries, sorted."""
    return tuple(sorted({*_shipped(), *(point.name for point in entry_points(group=ENTRY_POINT_GROUP))}))


def library_of(model: Any) -> Library | None:
    """The library whose adapters the model has; None when it has none that is known."""
    libraries = (library_named(name) for name in library_names())
    return next((library for library in libraries if library.owns(model)), None)


@cache
def _shipped() -> frozenset[str]:
    return frozenset(m.name for m in pkgutil.iter_modules(package.__path__) if m.ispkg)


def _library(module: str) -> Library:
    library: Library = importlib.import_module(module).LIBRARY
    return library
