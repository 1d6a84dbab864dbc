"""The adapter configurations that the installed library knows and their fields, read from its source."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from .adapters_source import SOURCE

TABLE = "ADAPTER_CONFIG_MAP"
UNREADABLE = "<not written as a plain value>"
"""The default of a field that has none, or one that is computed."""


@dataclass(frozen=True)
class Part:
    """One configuration class: its fields and their defaults."""

    config: str
    values: Mapping[str, Any]
    bases: tuple[str, ...] = ()
    """Names of the classes that it derives from."""


@dataclass(frozen=True)
class Method:
    """What a name stands for: one configuration, or a union of several."""

    parts: tuple[Part, ...]

    def common(self) -> frozenset[str]:
        """Fields of every part: a union hands an argument to all of them."""
        return frozenset.intersection(*(frozenset(part.values) for part in self.parts))

    def replaced(self, values: Mapping[str, Any]) -> Method:
        """The method with other values."""
        return Method(tuple(replace(part, values={**part.values, **values}) for part in self.parts))


@cache
def read_methods() -> dict[str, Method]:
    """Name -> method, of the library's table; empty when it cannot be read, without what cannot be read."""
    tree = SOURCE.tree("configuration/adapter_config.py")
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    return {name: _method(call, classes) for name, call in _entries(tree)}


def _entries(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    for node in tree.body:
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Dict):
            continue
        if any(isinstance(target, ast.Name) and target.id == TABLE for target in node.targets):
            for key, value in zip(node.value.keys, node.value.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(value, ast.Call):
                    yield str(key.value), value


def _method(call: ast.Call, classes: Mapping[str, ast.ClassDef]) -> Method:
    """What a call such as `ParBnConfig(scaling="learned")` makes."""
    name = ast.unparse(call.func)
    made = tuple(_made(classes[name], classes)) if name in classes and not fields_of(name, classes) else ()
    return Method(tuple(_part(inner, classes) for inner in made) or (_part(call, classes),))


def _part(call: ast.Call, classes: Mapping[str, ast.ClassDef]) -> Part:
    name = ast.unparse(call.func)
    given = {k.arg: _literal(k.value) for k in call.keywords if k.arg}
    return Part(name, {**fields_of(name, classes), **given}, tuple(_bases(name, classes)))


def _bases(name: str, classes: Mapping[str, ast.ClassDef]) -> Iterator[str]:
    for base in classes[name].bases if name in classes else ():
        yield ast.unparse(base)
        yield from _bases(ast.unparse(base), classes)


def _made(union: ast.ClassDef, classes: Mapping[str, ast.ClassDef]) -> Iterator[ast.Call]:
    """The configurations that a union's `__init__` makes."""
    for node in ast.walk(union):
        if isinstance(node, ast.Call) and fields_of(ast.unparse(node.func), classes):
            yield node


def fields_of(name: str, classes: Mapping[str, ast.ClassDef]) -> dict[str, Any]:
    """Fields of a dataclass and its bases with their defaults; empty for what is no dataclass."""
    node = classes.get(name)
    if node is None:
        return {}
    found: dict[str, Any] = {}
    for base in reversed(node.bases):
        found |= fields_of(ast.unparse(base), classes)
    if any(_is_dataclass(decorator) for decorator in node.decorator_list):
        for item in node.body:
            if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                found[item.target.id] = _literal(item.value)
    return found


def _is_dataclass(decorator: ast.expr) -> bool:
    function = decorator.func if isinstance(decorator, ast.Call) else decorator
    return ast.unparse(function).rpartition(".")[2] == "dataclass"


def _literal(value: ast.expr | None) -> Any:
    """The plain value of an expression, also behind `field(default_factory=...)`."""
    if isinstance(value, ast.Call):
        factory = next((k.value for k in value.keywords if k.arg == "default_factory"), None)
        if isinstance(factory, ast.Name):
            return {"list": [], "dict": {}}.get(factory.id, UNREADABLE)
        value = factory.body if isinstance(factory, ast.Lambda) else None
    try:
        return UNREADABLE if value is None else ast.literal_eval(value)
    except ValueError:
        return UNREADABLE
