"""Tuners of the installed release and the arguments of their configurations, read from its source.

Importing the library takes seconds. Since 0.14 each tuner's package registers itself; before, one table had
all of them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache

from .peft_source import SOURCE

REGISTER, NAME, CLASS = "register_peft_method", "name", "config_cls"
TABLE = "PEFT_TYPE_TO_CONFIG_MAPPING"
CONFIGURATIONS = ("tuners/*/config.py", "config.py")


@cache
def tuners() -> dict[str, str]:
    """Name of a tuner -> class of its configuration; empty when the source cannot be read."""
    found = dict(_registered())
    table = None if found else SOURCE.dict_literal("mapping.py", TABLE)
    for key, value in zip(table.keys, table.values, strict=True) if table is not None else ():
        if isinstance(key, ast.Constant):
            found[str(key.value).lower()] = ast.unparse(value)
    return found


def _registered() -> Iterator[tuple[str, str]]:
    for file in SOURCE.files("tuners/*/__init__.py"):
        for node in ast.walk(SOURCE.tree(file.partition("/")[2])):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == REGISTER:
                given = {keyword.arg: keyword.value for keyword in node.keywords}
                name, configuration = given.get(NAME), given.get(CLASS)
                if isinstance(name, ast.Constant) and configuration is not None:
                    yield str(name.value), ast.unparse(configuration)


@cache
def arguments(configuration: str) -> frozenset[str]:
    """Arguments of a configuration class and its bases; empty where its source does not say."""
    node = _classes().get(configuration)
    if node is None:
        return frozenset()
    own = {
        item.target.id
        for item in node.body
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
    }
    return frozenset(own).union(*(arguments(ast.unparse(base)) for base in node.bases))


@cache
def _classes() -> dict[str, ast.ClassDef]:
    files = (file for pattern in CONFIGURATIONS for file in SOURCE.files(pattern))
    trees = (SOURCE.tree(file.partition("/")[2]) for file in files)
    return {node.name: node for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)}
