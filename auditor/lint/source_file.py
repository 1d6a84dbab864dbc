"""One Python file as the source rules see it: text, tree, and what is derived from them, made once."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ..source.parsed_module import physical_lines
from .names import Imports, encoding_of, statements

if TYPE_CHECKING:
    from .events import FlowEvents


class Unreadable(Exception):
    """The file cannot be checked; the message is one line that says why."""


@dataclass
class SourceFile:
    """A parsed file; `unchecked` collects what a rule could not decide, for the report."""

    path: Path
    text: str
    tree: ast.Module
    encoding: str = "utf-8"
    unchecked: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> SourceFile:
        """Read and parse a file; raises Unreadable."""
        try:
            data = path.read_bytes()
        except OSError as error:
            raise Unreadable(error.strerror or str(error)) from error
        return cls.parse(data, path)

    @classmethod
    def parse(cls, data: bytes, path: Path) -> SourceFile:
        """Parse the bytes of a file; raises Unreadable."""
        try:
            encoding = encoding_of(data)
            text = data.decode(encoding)
            tree = ast.parse(text)
        except SyntaxError as error:
            where = f"line {error.lineno}: " if error.lineno else ""
            raise Unreadable(f"not valid Python, {where}{error.msg}") from error
        except UnicodeDecodeError as error:
            raise Unreadable(f"not valid {error.encoding}, byte {error.start}") from error
        except (ValueError, LookupError) as error:
            raise Unreadable(f"not valid Python, {error}") from error
        except (RecursionError, MemoryError) as error:
            raise Unreadable("nested too deep to parse") from error
        return cls(path, text, tree, encoding)

    @cached_property
    def imports(self) -> Imports:
        """Names that the file imports, wherever it does so."""
        return Imports.of(self.tree)

    @cached_property
    def classes(self) -> tuple[ast.ClassDef, ...]:
        """All classes, wherever they are defined."""
        return tuple(n for n in statements(self.tree) if isinstance(n, ast.ClassDef))

    @cached_property
    def is_model_code(self) -> bool:
        """The file has a class that is written for adapters (not: a script that uses them)."""
        from .scope import is_model_class

        return any(is_model_class(c, self.imports) for c in self.classes)

    @cached_property
    def flow(self) -> FlowEvents:
        """What the data flow through the functions of the file shows; empty for other code."""
        from .events import FlowEvents
        from .flow import follow

        return follow(self) if self.is_model_code else FlowEvents()

    def segment(self, node: ast.expr) -> str:
        """The text of an expression, as it is written."""
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        lines = [line.encode() for line in self.lines[first : last + 1]]
        lines[-1] = lines[-1][: node.end_col_offset]
        lines[0] = lines[0][node.col_offset :]
        return b"".join(lines).decode()

    @property
    def newline(self) -> str:
        """The line end that the file uses."""
        return "\r\n" if "\r\n" in self.text else "\n"

    @cached_property
    def lines(self) -> list[str]:
        """Physical lines with their ends, as Python counts them."""
        return physical_lines(self.text)
