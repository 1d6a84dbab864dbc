"""Which adapters a file of the library is about."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...knowledge.library_names import ADAPTERS
from ...source.parsed_module import Module, calls
from ...source.source_files import absolute_file

if TYPE_CHECKING:
    from ...facts.facts import Facts
    from ...library.library import Library


@cache
def method_files() -> tuple[str, ...]:
    """The library's files about methods, relative to site-packages."""
    start = absolute_file(f"{ADAPTERS.package}/__init__.py")
    root = Path(start).parent if start else None
    paths = (root / "methods").glob("*.py") if root else ()
    return tuple(sorted(p.relative_to(root.parent).as_posix() for p in paths if root))


def adapters_of(facts: Facts, module: Module) -> frozenset[str]:
    """Adapters that a file is about: those it looks up, or those whose configuration lies in its folder.

    All of them, where a library keeps each method in a folder of its own and the file is in none of them.
    """
    if facts.library.package == ADAPTERS.package:
        return adapters_read_by(facts, module)
    folders = {name: _folder(facts.library, method) for name, method in facts.methods.items()}
    own = module.file.rpartition("/")[0]
    if _above(own) not in {_above(folder) for folder in folders.values()}:
        return frozenset(facts.names)
    return frozenset(name for name in facts.names if folders.get(name, own) == own)


def _above(folder: str) -> str:
    return folder.rpartition("/")[0]


def _folder(library: Library, config: str) -> str:
    """Where the class of a configuration lies."""
    return type(library.configuration(config)).__module__.replace(".", "/").rpartition("/")[0]


def adapters_read_by(facts: Facts, module: Module) -> frozenset[str]:
    """Adapters that may have modules of the file's classes; all where their configurations are not known."""
    wanted = tuple(_looked_up(module))
    return frozenset(
        name
        for name in facts.names
        if name not in facts.methods
        or any(_has(part, *one) for part in _parts(facts.library, facts.methods[name]) for one in wanted)
    )


def kinds_of(facts: Facts, name: str) -> frozenset[str]:
    """Names of the classes of an adapter's configuration; empty where it is not known."""
    return (
        frozenset(type(part).__name__ for part in _parts(facts.library, facts.methods[name]))
        if facts.methods
        else frozenset()
    )


def left_out_somewhere(facts: Facts) -> bool:
    """Whether an adapter may lack modules in a layer where others of its kind have them."""
    return len(facts.methods) < len(facts.names) or any("leave_out" in m for m in facts.methods.values())


def _looked_up(module: Module) -> Iterator[tuple[str, str]]:
    """Class of the configuration and its field (empty: any), for each look-up in the file."""
    for call in calls(module.tree):
        if isinstance(call.func, ast.Attribute) and call.func.attr == ADAPTERS.look_up:
            given = {k.arg: k.value for k in call.keywords}
            kind = given.get("config_type", call.args[1] if len(call.args) > 1 else None)
            field = given.get("location_key")
            if isinstance(kind, ast.Name):
                yield kind.id, str(field.value) if isinstance(field, ast.Constant) else ""


def _has(part: Any, kind: str, field: str) -> bool:
    """Whether one part of a configuration is of a kind, and has the field set where it is asked for."""
    if kind not in {base.__name__ for base in type(part).__mro__}:
        return False
    return not field or bool(getattr(part, field, True))


def _parts(library: Library, config: str) -> tuple[Any, ...]:
    """The library's objects that a configuration is a union of."""
    loaded = library.configuration(config)
    return tuple(getattr(loaded, "configs", (loaded,)))
