"""The source of one installed package as an index: where it lies, its files, their syntax trees."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .installed_source import dict_literal, package_root


@dataclass(frozen=True)
class PackageSource:
    """An installed package, never imported for this. Files are named relative to it."""

    name: str

    @property
    def root(self) -> Path | None:
        """Its folder; None when it is not installed."""
        return package_root(self.name)

    def files(self, pattern: str) -> tuple[str, ...]:
        """Files that match, relative to site-packages (`adapters/methods/lora.py`), sorted."""
        root = self.root
        return (
            tuple(sorted(p.relative_to(root.parent).as_posix() for p in root.glob(pattern))) if root else ()
        )

    def tree(self, file: str) -> ast.Module:
        """The syntax tree of a file of the package; an empty one when it cannot be read or parsed."""
        root = self.root
        return _parsed(root / file) if root is not None else ast.Module([], [])

    def dict_literal(self, file: str, name: str) -> ast.Dict | None:
        """The dict literal that a file binds to a name; None where there is none."""
        root = self.root
        return dict_literal(root / file, name) if root is not None else None


@cache
def _parsed(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, SyntaxError):
        return ast.Module([], [])
