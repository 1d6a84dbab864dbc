"""Source files as families see them: text, syntax tree, and how to find a statement at a line.

Edits are places and new text, so that everything else stays as it is, byte for byte.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from .source_files import absolute_file

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


def physical_lines(text: str) -> list[str]:
    """Lines with their ends, as Python counts them (`str.splitlines` splits at form feeds, too)."""
    return _LINE.findall(text)


@dataclass(frozen=True)
class Edit:
    """Replace the text between two places; lines from 1, columns from 0 in UTF-8 bytes."""

    line: int
    column: int
    end_line: int
    end_column: int
    text: str

    @classmethod
    def of(cls, node: ast.expr | ast.stmt, text: str) -> Edit:
        """Replace a node."""
        return cls(node.lineno, node.col_offset, node.end_lineno or 0, node.end_col_offset or 0, text)

    @classmethod
    def before(cls, statement: ast.stmt, code: str) -> Edit:
        """Insert a one-line statement before another one, with its indentation."""
        return cls.at(statement, code + "\n" + " " * statement.col_offset)

    @classmethod
    def at(cls, node: ast.expr | ast.stmt, text: str) -> Edit:
        """Insert text where a node begins."""
        return cls(node.lineno, node.col_offset, node.lineno, node.col_offset, text)

    @classmethod
    def after(cls, node: ast.expr | ast.stmt | ast.alias, text: str) -> Edit:
        """Insert text where a node ends."""
        line, column = node.end_lineno or 0, node.end_col_offset or 0
        return cls(line, column, line, column, text)


class OverlappingEdits(ValueError):
    """Two edits of one file change the same text."""


def apply_edits(text: str, edits: Iterable[Edit]) -> str:
    """The text with all edits made. Equal edits are made once; raises OverlappingEdits."""
    lines = [line.encode() for line in physical_lines(text)]
    ordered = sorted(dict.fromkeys(edits), key=lambda e: (e.line, e.column, e.end_line, e.end_column))
    for one, other in itertools.pairwise(ordered):
        if (other.line, other.column) < (one.end_line, one.end_column):
            raise OverlappingEdits(f"lines {one.line} and {other.line}")
    for edit in reversed(ordered):
        first, last = lines[edit.line - 1], lines[edit.end_line - 1]
        new = first[: edit.column] + edit.text.encode() + last[edit.end_column :]
        lines[edit.line - 1 : edit.end_line] = new.splitlines(keepends=True)
    return b"".join(lines).decode()


class Module:
    """One parsed file."""

    def __init__(self, file: str, text: str) -> None:
        self.file, self.text = file, text

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree; raises SyntaxError."""
        return ast.parse(self.text)

    def code(self, node: ast.AST) -> str:
        """A node's source text."""
        first, last = getattr(node, "lineno", 0), getattr(node, "end_lineno", 0)
        if not first or not last:
            return ast.unparse(node)
        lines = self._lines[first - 1 : last]
        lines[-1] = lines[-1][: getattr(node, "end_col_offset", 0)]
        lines[0] = lines[0][getattr(node, "col_offset", 0) :]
        return b"\n".join(lines).decode()

    @cached_property
    def _lines(self) -> list[bytes]:
        """Split once: `ast.get_source_segment` does so for every node."""
        return self.text.encode().split(b"\n")

    @cached_property
    def _statements(self) -> list[ast.stmt]:
        return [n for n in ast.walk(self.tree) if isinstance(n, ast.stmt)]

    def statement(self, line: int) -> ast.stmt | None:
        """The innermost statement at a line, without what is nested in it (a compound one: its header)."""
        return min(
            (n for n in self._statements if n.lineno <= line <= (n.end_lineno or 0)), key=_size, default=None
        )

    def function(self, line: int) -> ast.FunctionDef | None:
        """The innermost function around a line."""
        around = [
            node
            for node in self._statements
            if isinstance(node, ast.FunctionDef) and node.lineno <= line <= (node.end_lineno or 0)
        ]
        return min(around, key=_size, default=None)

    def binds(self, name: str) -> bool:
        """Whether a top-level statement (an import, a definition) binds the name."""
        for node in self.tree.body:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                if any((a.asname or a.name) == name for a in node.names):
                    return True
            elif isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == name:
                return True
        return False

    def importing(self, module: str, name: str) -> Edit:
        """The edit that imports a name, beside the imports from the same module or after the last one.

        Without a module, `name` is itself one.
        """
        imports = [n for n in self.tree.body if isinstance(n, (ast.Import, ast.ImportFrom))]
        for node in imports:
            if module and isinstance(node, ast.ImportFrom) and self._names(node, module):
                return Edit.after(node.names[-1], f", {name}") if _flat(node) else _spread(node, name)
        statement = f"from {module} import {name}" if module else f"import {name}"
        if not imports:
            return Edit.before(self.tree.body[0], f"{statement}\n")
        return Edit.after(imports[-1], f"\n{statement}")

    def _names(self, node: ast.ImportFrom, module: str) -> bool:
        """Whether an import, absolute or relative, is from `module`."""
        if not node.level:
            return node.module == module
        package = self.file.removesuffix(".py").split("/")[: -node.level]
        return ".".join([*package, *filter(None, [node.module])]) == module


def _flat(node: ast.ImportFrom) -> bool:
    return node.names[-1].lineno == node.lineno


def _spread(node: ast.ImportFrom, name: str) -> Edit:
    """One more line of a list of imports that has a name a line."""
    last = node.names[-1]
    return Edit.after(last, f",\n{' ' * last.col_offset}{name}")


def _size(node: ast.stmt) -> tuple[int, int]:
    return (node.end_lineno or 0) - node.lineno, -node.lineno


class Sources:
    """The library's files, some of them replaced by patched texts."""

    def __init__(self, patched: Mapping[str, str] | None = None) -> None:
        self.patched = dict(patched or {})
        self._modules: dict[str, Module | None] = {}

    def module(self, file: str | None) -> Module | None:
        """A file (relative to site-packages), None when it cannot be read or parsed."""
        if not file:
            return None
        if file not in self._modules:
            self._modules[file] = self._parsed(file)
        return self._modules[file]

    def _parsed(self, file: str) -> Module | None:
        text = self.patched.get(file)
        text = installed_text(file) if text is None else text
        if text is None:
            return None
        module = Module(file, text)
        try:
            module.tree  # noqa: B018 - parsed here, so that no family meets a syntax error
        except (SyntaxError, ValueError):
            return None
        return module


def installed_text(file: str) -> str | None:
    """The text of an installed file, None when there is none that can be read."""
    path = absolute_file(file)
    if path is None:
        return None
    try:
        return Path(path).read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def calls(node: ast.AST) -> Iterator[ast.Call]:
    """All calls in a node, not those in nested statements."""
    for child in ast.walk(node):
        if isinstance(child, ast.Call):
            yield child
