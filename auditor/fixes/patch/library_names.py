"""What patches may use of the library: its blocks (releases differ), its contexts, and their imports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...source.parsed_module import Edit, Module, Sources

LIBRARY = "adapters"
COMPOSITION = f"{LIBRARY}.composition"
CONTEXT = f"{LIBRARY}.context"


def known_blocks(sources: Sources, names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the composition blocks that the installed release has."""
    module = sources.module(COMPOSITION.replace(".", "/") + ".py")
    return tuple(name for name in names if module is not None and module.binds(name))


def imports(module: Module, needed: Mapping[str, tuple[str, ...]]) -> Iterator[Edit]:
    """The imports of library names, and of torch, that a module lacks."""
    for origin, names in needed.items():
        missing = [n for n in names if not module.binds(n)]
        if missing and origin.replace(".", "/") + ".py" != module.file:
            yield module.importing(origin, ", ".join(missing))
    if not module.binds("torch"):
        yield module.importing("", "torch")
