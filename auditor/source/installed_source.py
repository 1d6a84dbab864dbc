"""The source of installed packages, read as text: nothing of them is imported."""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
from pathlib import Path

_TOP_LEVEL = re.compile(r"^[^\s)#]", re.MULTILINE)


def package_root(name: str, near: Path | None = None) -> Path | None:
    """Folder of a top-level package: beside the packages of `near` if it is there, else as installed.

    Finding a top-level package runs none of its code.
    """
    return _root_near(name, near.parent if near is not None else None)


@cache
def _root_near(name: str, folder: Path | None) -> Path | None:
    for parent in (folder, *folder.parents) if folder is not None else ():
        if (parent / name / "__init__.py").is_file() and not (parent / "__init__.py").is_file():
            return parent / name
    for (
        finder
    ) in sys.meta_path:  # not importlib.util.find_spec: it trusts what a loaded package says of itself
        spec = finder.find_spec(name, None)
        if spec is not None and spec.origin:
            return Path(spec.origin).parent
    return None


def dict_literal(file: Path, name: str) -> ast.Dict | None:
    """The dict literal that a file binds to a name at its top level; None where there is none."""
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, SyntaxError):
        return None
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Dict):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if name in [target.id for target in targets if isinstance(target, ast.Name)]:
                return node.value
    return None


def class_source(module: str, name: str, near: Path | None) -> ast.ClassDef | None:
    """A class of an installed module, parsed alone; None when it cannot be found."""
    file = _module_file(module, near)
    return _class_in(file, name) if file is not None else None


def module_tree(module: str, near: Path | None) -> ast.Module | None:
    """The tree of an installed module; None when it cannot be found or read."""
    file = _module_file(module, near)
    return _tree_of(file) if file is not None else None


def _module_file(module: str, near: Path | None) -> Path | None:
    head, *rest = module.split(".")
    root = package_root(head, near)
    return root.joinpath(*rest) if root is not None else None


@cache
def _class_in(file: Path, name: str) -> ast.ClassDef | None:
    text = _module_text(file)
    start = re.search(rf"^class {re.escape(name)}\b", text, re.MULTILINE)
    if start is None:
        return None
    end = _TOP_LEVEL.search(text, start.end())
    try:
        tree = ast.parse(text[start.start() : end.start() if end is not None else len(text)])
    except SyntaxError:
        return None
    return next((n for n in tree.body if isinstance(n, ast.ClassDef)), None)


@cache
def _tree_of(file: Path) -> ast.Module | None:
    text = _module_text(file)
    try:
        return ast.parse(text) if text else None
    except SyntaxError:
        return None


@cache
def _module_text(path: Path) -> str:
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file.read_text(encoding="utf-8", errors="replace")
    return ""
