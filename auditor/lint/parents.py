"""The class that a model class overrides, and how its module calls it, read from source."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..source.installed_source import class_source, module_tree
from .names import dotted

if TYPE_CHECKING:
    from .source_file import SourceFile


@dataclass(frozen=True)
class ParentClass:
    """A base class and the dotted module it comes from (empty: the file itself)."""

    node: ast.ClassDef
    module: str


def parent_class(source: SourceFile, node: ast.ClassDef) -> ParentClass | None:
    """The last base that is a class of this file or a modeling class of `transformers`.

    A base that should be installed but is not found is noted as not checked.
    """
    here = {c.name: c for c in source.classes}
    for base in reversed(node.bases):
        name = dotted(base)
        module = source.imports.module_of(name)
        if name in here:
            return ParentClass(here[name], "")
        if module.partition(".")[0] != "transformers":
            continue
        original = source.imports.origin[name].rpartition(".")[2]
        found = class_source(module, original, source.path.resolve())
        if found is not None:
            return ParentClass(found, module)
        if module == "transformers" or ".modeling_" in module:
            source.unchecked.append(f"{node.name}.forward: the source of {module}.{original} was not found")
    return None


def passed_keywords(source: SourceFile, parent: ParentClass, parameters: Set[str]) -> set[str]:
    """Keywords that the parent's module passes in calls that fit its forward's parameters.

    Calls inside the parent itself are those of its own submodules.
    """
    tree = module_tree(parent.module, source.path.resolve()) if parent.module else source.tree
    found: set[str] = set()
    for node in tree.body if tree is not None else ():
        if isinstance(node, ast.ClassDef) and node.name != parent.node.name:
            for call in _calls(node):
                keywords = {k.arg for k in call.keywords if k.arg}
                if keywords <= parameters:
                    found |= keywords
    return found


def _calls(node: ast.AST) -> Iterator[ast.Call]:
    return (n for n in ast.walk(node) if isinstance(n, ast.Call))
