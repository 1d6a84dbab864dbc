"""Whether a release of the library lets a Parallel reach a file at all."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ..source.installed_source import dict_literal

if TYPE_CHECKING:
    from .source_file import SourceFile

_PARENT_MODULE = re.compile(r"^transformers\.models\.(\w+)\.modeling_")


def unreachable(source: SourceFile) -> str:
    """Why no Parallel can reach this model code with the release it belongs to; empty when one can.

    The release's own list of model types that allow Parallel decides.
    """
    types = {
        m.group(1).replace("_", "-") for m in map(_PARENT_MODULE.match, source.imports.origin.values()) if m
    }
    root = _library_of(source.path.resolve())
    allowed = _allowed_types(root / "composition.py") if root is not None and types else None
    if not types or allowed is None or types & allowed:
        return ""
    return f"this release refuses Parallel for {', '.join(sorted(types))}"


def _library_of(path: Path) -> Path | None:
    """The release of `adapters` that a file is part of; None for code outside, where the author decides."""
    for folder in path.parents:
        if not (folder / "__init__.py").is_file():
            break
        if (folder / "composition.py").is_file():
            return folder
    return None


@cache
def _allowed_types(file: Path) -> frozenset[str] | None:
    table = dict_literal(file, "SUPPORTED_MODELS")
    if table is None:
        return None
    for key, value in zip(table.keys, table.values, strict=True):
        if isinstance(key, ast.Name) and key.id == "Parallel" and isinstance(value, ast.List):
            return frozenset(str(e.value) for e in value.elts if isinstance(e, ast.Constant))
    return None
