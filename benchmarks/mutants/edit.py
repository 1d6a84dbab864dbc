"""Changing the loaded library: replace a function, or recompile one with other source text."""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
import textwrap
from collections.abc import Callable
from typing import Any


def module(path: str) -> Any:
    """A module of the library, `methods.lora` for `adapters.methods.lora`."""
    return importlib.import_module(f"adapters.{path}")


def replace_everywhere(name: str, new: Callable[..., Any]) -> None:
    """Replace a function of `composition` in every module that imported it by name."""
    original = getattr(module("composition"), name)
    for loaded in [m for n, m in sys.modules.items() if n.split(".")[0] == "adapters"]:
        if getattr(loaded, name, None) is original:
            setattr(loaded, name, new)


def wrap(owner: Any, name: str, around: Callable[..., Any]) -> None:
    """Replace a method by `around(original, self, *args, **kwargs)`."""
    original = getattr(owner, name)

    def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        return around(original, self, *args, **kwargs)

    wrapped.__signature__ = inspect.signature(original)  # type: ignore[attr-defined]
    wrapped.__name__ = name
    setattr(owner, name, wrapped)


def rewrite(owner: Any, name: str, *changes: tuple[str, str]) -> None:
    """Recompile a method with some of its source text changed; lines keep their numbers.

    Raises LookupError when a text to be changed is not there: a defect that is not put in proves nothing.
    """
    original = inspect.unwrap(getattr(owner, name))
    source = textwrap.dedent(inspect.getsource(original))
    for old, new in changes:
        if old not in source:
            raise LookupError(f"{owner.__name__}.{name} has no {old!r}")
        if old.count("\n") != new.count("\n"):
            raise ValueError(f"{owner.__name__}.{name}: {new!r} would move lines")
        source = source.replace(old, new)
    # A function in a function, so that super() without arguments finds its class.
    factory = f"def factory(__class__):\n{textwrap.indent(source, ' ')}\n return {name}"
    tree = ast.increment_lineno(ast.parse(factory), original.__code__.co_firstlineno - 2)
    made: dict[str, Any] = {}
    file = inspect.getsourcefile(original) or "<rewritten>"
    exec(compile(tree, file, "exec"), original.__globals__, made)
    setattr(owner, name, made["factory"](owner))
