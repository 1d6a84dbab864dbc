"""Wrong adapter configurations, answered from the library's source without importing it.

The library takes seconds to import. What it would certainly refuse is refused here at once;
what the source does not say is left to the library, which has the last word.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from ...errors import LibraryRefusal
from .method_fields import UNREADABLE, Method, Part, read_methods


@dataclass(frozen=True)
class _Wrong:
    """Why a configuration is none, and what to write instead."""

    why: str
    do: str = ""


def check_config(config: str) -> None:
    """Raise LibraryRefusal for a configuration that is certainly wrong; silent where that is not certain.

    Looked at are the names of methods and of their arguments, how they are written, what can be united,
    and whether a saved configuration can be read.
    """
    if config in read_methods():
        return
    wrong = _wrong_file(Path(config)) if _is_path(config) else _wrong_text(config)
    if wrong is not None:
        raise LibraryRefusal(f"{config!r} is not an adapter configuration", why=wrong.why, do=wrong.do)


def known_methods() -> frozenset[str]:
    """The keys of the library's table of configurations; empty when it cannot be read."""
    return frozenset(read_methods())


def _is_path(config: str) -> bool:
    try:
        return Path(config).exists()
    except OSError:  # longer than a file name can be
        return False


def _wrong_file(path: Path) -> _Wrong | None:
    """What is wrong with a saved adapter's directory, or with a configuration file."""
    file = path / "adapter_config.json" if path.is_dir() else path
    if not file.is_file():
        return _Wrong(f"the directory has no {file.name}", "give one written by save_adapter()")
    try:
        saved = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        return _Wrong(f"{file} cannot be read as JSON: {error}")
    return None if isinstance(saved, dict) else _Wrong(f"{file} holds no JSON object")


@cache
def _wrong_text(config: str) -> _Wrong | None:
    methods = read_methods()
    if not methods:
        return None
    chosen: list[tuple[str, Method]] = []
    for text in config.split("|"):
        name, bracket, arguments = text.strip().partition("[")
        wrong = _wrong_name(name, methods) or _wrong_brackets(text.strip(), bracket)
        if wrong is not None:
            return wrong
        values = plain_values(arguments.removesuffix("]")) if bracket else {}
        if values is None:
            do = f"write for example {name}[{_example(methods[name])}]"
            return _Wrong(f"the arguments [{arguments} are not names with plain values", do)
        wrong = _wrong_argument(name, methods[name], values)
        if wrong is not None:
            return wrong
        chosen.append((name, methods[name].replaced(values)))
    return _wrong_union(chosen) if len(chosen) > 1 else None


def _wrong_name(name: str, methods: dict[str, Method]) -> _Wrong | None:
    if not name.strip():
        return _Wrong("a method's name is missing", _all(methods))
    if name in methods:
        return None
    near = get_close_matches(name, methods, 3, 0.5)
    do = f"did you mean {' or '.join(near)}?" if near else _all(methods)
    saved = ", and there is no such directory" if "/" in name else ""
    return _Wrong(f"the installed adapters release has no method {name!r}{saved}", do)


def _all(methods: dict[str, Method]) -> str:
    return f"known: {', '.join(sorted(methods))}"


def _wrong_brackets(text: str, bracket: str) -> _Wrong | None:
    if bracket and not text.endswith("]"):
        return _Wrong(f"the bracket of {text!r} is not closed", "write for example lora[r=8]")
    return None


def _example(method: Method) -> str:
    """An argument that the method takes, with its default."""
    values = method.parts[0].values
    return next((f"{name}={value}" for name, value in values.items() if type(value) is int), "name=value")


def plain_values(arguments: str) -> dict[str, Any] | None:
    """`r=8,leave_out=[0]` (or `'r': 8`) as a dictionary; None for what is neither."""
    for written in (f"dict({arguments})", f"{{{arguments}}}"):
        try:
            tree = ast.parse(written, mode="eval").body
            pairs = _pairs(tree)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        if pairs is not None:
            return pairs
    return None


def _pairs(tree: ast.expr) -> dict[str, Any] | None:
    """Raises ValueError for values that are not plain."""
    if isinstance(tree, ast.Call) and not tree.args and all(k.arg for k in tree.keywords):
        return {str(k.arg): ast.literal_eval(k.value) for k in tree.keywords}
    if isinstance(tree, ast.Dict):
        return {str(name): value for name, value in ast.literal_eval(tree).items()}
    return None


def _wrong_argument(name: str, method: Method, values: dict[str, Any]) -> _Wrong | None:
    for argument in values:
        part = next((p for p in method.parts if argument not in p.values), None)
        if part is not None:
            return _Wrong(f"{part.config} has no argument {argument!r}", _arguments(name, method, argument))
    return None


def _arguments(name: str, method: Method, wrong: str) -> str:
    common = method.common()
    near = get_close_matches(wrong, common, 2, 0.6)
    if near:
        return f"did you mean {' or '.join(near)}?"
    each = " (those of all its parts)" if len(method.parts) > 1 else ""
    return f"arguments of {name}{each}: {', '.join(sorted(common))}"


def _wrong_union(chosen: Sequence[tuple[str, Method]]) -> _Wrong | None:
    for name, method in chosen:
        if len(method.parts) > 1:
            return _Wrong(f"{name} is a union of methods already", "unite methods that are none")
    for index, (name, method) in enumerate(chosen):
        for other, another in chosen[:index]:
            if _clash(method.parts[0], another.parts[0]):
                return _Wrong(
                    f"{other} and {name} are of one kind and meet in the same layers",
                    "unite methods of different kinds, or leave layers out of one of them",
                )
    return None


def _clash(one: Part, other: Part) -> bool:
    """Whether two parts of a union want to be at the same place; False where that is not certain."""
    kinds = [part.values.get("architecture") for part in (one, other)]
    left_out = [part.values.get("leave_out", []) for part in (one, other)]
    if UNREADABLE in kinds or kinds[0] != kinds[1] or any(left_out):
        return False
    places = [(p.values.get("mh_adapter"), p.values.get("output_adapter")) for p in (one, other)]
    if places[0] == places[1] == (None, None):
        return True
    return any(a is b for a, b in zip(*places, strict=True) if isinstance(a, bool))
