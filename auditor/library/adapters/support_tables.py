"""What the installed library says of itself: which blocks a method's layers support, and which nest where.

Read from its source; None where it says nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache

from .adapters_source import SOURCE
from .block_names import BLOCKS
from .method_fields import read_methods

NESTINGS, MODELS, SUPPORTED = "ALLOWED_NESTINGS", "SUPPORTED_MODELS", "supported_compositions"


class AdaptersTables:
    """See `library.SupportTables`."""

    def blocks_of(self, config: str) -> frozenset[str] | None:
        """Kinds that all layers of a configuration's methods support; None where that is not said."""
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

    def methods_with(self, kinds: frozenset[str]) -> tuple[str, ...]:
        """Methods whose layers support all these kinds of blocks; each set-up of fields under one name."""
        found: dict[str, str] = {}
        for name, method in read_methods().items():
            blocks = self.blocks_of(name)
            if blocks is not None and kinds <= blocks:
                found["|".join(str(part) for part in method.parts)] = (
                    name  # the later name is the current one
                )
        return tuple(sorted(found.values()))

    def allows(self, kind: str, model_type: str) -> bool:
        """Whether the library lets models of this type use a kind of block."""
        types = _table(MODELS).get(kind)
        return types is None or model_type in types

    def nests(self, kind: str, inner: str) -> bool:
        """Whether a block of one kind may be inside another one."""
        allowed = _table(NESTINGS).get(kind)
        return allowed is None or inner in allowed

    def kinds(self) -> tuple[str, ...]:
        """All kinds of blocks of which the library says what may be inside."""
        return tuple(sorted(_table(NESTINGS)))


def nestings() -> dict[str, frozenset[str]] | None:
    """Block -> blocks (and `str`) that may be its children, as the library calls them; None if not said."""
    table = SOURCE.dict_literal("composition.py", NESTINGS)
    if table is None:
        return None
    rows = zip(table.keys, table.values, strict=True)
    return {
        key.id: frozenset(e.id for e in value.elts if isinstance(e, ast.Name))
        for key, value in rows
        if isinstance(key, ast.Name) and isinstance(value, ast.List)
    }


@cache
def _supported() -> dict[str, frozenset[str]]:
    """Configuration class -> the blocks that the layers made from it support."""
    found: dict[str, frozenset[str]] = {}
    for file in SOURCE.files("methods/*.py"):
        tree = SOURCE.tree(file.partition("/")[2])
        classes = {n.name: n for n in tree.body if isinstance(n, ast.ClassDef)}
        for node in classes.values():
            blocks = _blocks(node)
            bases = [classes[b.id] for b in node.bases if isinstance(b, ast.Name) and b.id in classes]
            for config in _configs((node, *bases)) if blocks else ():
                found[config] = found.get(config, blocks) & blocks
    return found


def _blocks(node: ast.ClassDef) -> frozenset[str]:
    for item in node.body:
        if isinstance(item, ast.Assign) and any(ast.unparse(t) == SUPPORTED for t in item.targets):
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
    table = SOURCE.dict_literal("composition.py", name)
    rows = zip(table.keys, table.values, strict=True) if table is not None else ()
    return {kind: frozenset(_kinds(v)) for k, v in rows for kind in _kinds(k)}


def _kinds(node: ast.expr | None) -> Iterator[str]:
    """Names of blocks as kinds, and plain texts as they are."""
    named = {name: kind for kind, name in BLOCKS.items()}
    for item in node.elts if isinstance(node, ast.List | ast.Tuple) else [node]:
        if isinstance(item, ast.Name) and item.id in named:
            yield named[item.id]
        elif isinstance(item, ast.Constant):
            yield str(item.value)
