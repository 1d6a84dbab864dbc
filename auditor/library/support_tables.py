"""What the installed library says of itself: which blocks a method's layers support, and which nest where.

Read from its source; None where it says nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from ..schema.composition import KINDS
from ..source.installed_source import package_root
from .method_fields import read_methods

NESTINGS, MODELS, BLOCKS = "ALLOWED_NESTINGS", "SUPPORTED_MODELS", "supported_compositions"


def blocks_of(config: str) -> frozenset[str] | None:
    """Kinds of blocks that all layers of a configuration's methods support; None where that is not said."""
    methods, supported = read_methods(), _supported()
    found: list[frozenset[str]] = []
    for text in config.split("|"):
        method = methods.get(text.strip().partition("[")[0])
        for part in method.parts if method is not None else ():
            said = [supported[name] for name in (part.config, *part.bases) if name in supported]
            if not said:
                return None
            found += said
    return frozenset.intersection(*found) if found else None


def methods_with(kinds: frozenset[str]) -> tuple[str, ...]:
    """Methods whose layers support all these kinds of blocks; each set-up of fields under one name."""
    found: dict[str, str] = {}
    for name, method in read_methods().items():
        blocks = blocks_of(name)
        if blocks is not None and kinds <= blocks:
            found["|".join(str(part) for part in method.parts)] = name  # the later name is the current one
    return tuple(sorted(found.values()))


def allows(kind: str, model_type: str) -> bool:
    """Whether the library lets models of this type use a kind of block."""
    types = _table(MODELS).get(kind)
    return types is None or model_type in types


def nests(kind: str, inner: str) -> bool:
    """Whether a block of one kind may be inside another one."""
    allowed = _table(NESTINGS).get(kind)
    return allowed is None or inner in allowed


def kinds() -> tuple[str, ...]:
    """All kinds of blocks of which the library says what may be inside."""
    return tuple(sorted(_table(NESTINGS)))


@cache
def _supported() -> dict[str, frozenset[str]]:
    """Configuration class -> the blocks that the layers made from it support."""
    root = package_root("adapters")
    found: dict[str, frozenset[str]] = {}
    for file in sorted((root / "methods").glob("*.py")) if root is not None else ():
        classes = {n.name: n for n in _parsed(file).body if isinstance(n, ast.ClassDef)}
        for node in classes.values():
            blocks = _blocks(node)
            bases = [classes[b.id] for b in node.bases if isinstance(b, ast.Name) and b.id in classes]
            for config in _configs((node, *bases)) if blocks else ():
                found[config] = found.get(config, blocks) & blocks
    return found


def _blocks(node: ast.ClassDef) -> frozenset[str]:
    for item in node.body:
        if isinstance(item, ast.Assign) and any(ast.unparse(t) == BLOCKS for t in item.targets):
            return frozenset(_kinds(item.value))
    return frozenset()


def _configs(classes: tuple[ast.ClassDef, ...]) -> Iterator[str]:
    """Classes of configurations that layers look for: `config_type=LoRAConfig`."""
    for node in (inner for c in classes for inner in ast.walk(c) if isinstance(inner, ast.keyword)):
        if node.arg == "config_type" and isinstance(node.value, ast.Name):
            yield node.value.id


@cache
def _table(name: str) -> dict[str, frozenset[str]]:
    """A table of the composition blocks: kind of block -> what is listed for it."""
    root = package_root("adapters")
    for node in _parsed(root / "composition.py").body if root is not None else ():
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Dict):
            continue
        if any(ast.unparse(target) == name for target in node.targets):
            rows = zip(node.value.keys, node.value.values, strict=True)
            return {kind: frozenset(_kinds(v)) for k, v in rows for kind in _kinds(k)}
    return {}


def _kinds(node: ast.expr | None) -> Iterator[str]:
    """Names of blocks as kinds, and plain texts as they are."""
    named = {name: kind for kind, name in KINDS.items()}
    for item in node.elts if isinstance(node, ast.List | ast.Tuple) else [node]:
        if isinstance(item, ast.Name) and item.id in named:
            yield named[item.id]
        elif isinstance(item, ast.Constant):
            yield str(item.value)


def _parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8")) if file.is_file() else ast.Module([], [])
