"""Imports that a patch adds to a file of the library."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...source.parsed_module import Edit, Module


def imports(module: Module, needed: Mapping[str, tuple[str, ...]]) -> Iterator[Edit]:
    """The imports of library names, and of torch, that a module lacks."""
    for origin, names in needed.items():
        missing = [n for n in names if not module.binds(n)]
        if missing and origin.replace(".", "/") + ".py" != module.file:
            yield module.importing(origin, ", ".join(missing))
    if not module.binds("torch"):
        yield module.importing("", "torch")
