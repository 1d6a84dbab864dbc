"""Names in Python source: dotted paths, imports, and the encoding of a file."""

from __future__ import annotations

import ast
import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_COOKIE = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")


def encoding_of(data: bytes) -> str:
    """The encoding of a Python file by PEP 263; `utf-8-sig` where it starts with a byte order mark."""
    if data.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    for line in data.split(b"\n", 2)[:2]:
        match = _COOKIE.match(line)
        if match:
            return match.group(1).decode("ascii")
    return "utf-8"


def dotted(node: ast.expr) -> str:
    """`a.b.c` for a chain of names, an empty text for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    parts.append(node.id)
    return ".".join(reversed(parts))


def constant(node: ast.expr | None) -> int | None:
    """A literal integer, also a negative one."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = constant(node.operand)
        return None if inner is None else -inner
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return node.value
    return None


@dataclass
class Imports:
    """Local name -> dotted origin; relative imports keep their leading dots."""

    origin: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, tree: ast.Module) -> Imports:
        """Imports at the top level and in the blocks there (`try`, `if`), and in functions."""
        found = cls()
        for node in statements(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    name = alias.asname or alias.name.split(".")[0]
                    found.origin[name] = alias.name if alias.asname else name
            elif isinstance(node, ast.ImportFrom):
                base = "." * node.level + (node.module or "")
                for alias in node.names:
                    joint = "" if base.endswith(".") else "."
                    found.origin[alias.asname or alias.name] = f"{base}{joint}{alias.name}"
        return found

    def resolve(self, path: str) -> str:
        """The dotted origin of a dotted local name."""
        head, _, rest = path.partition(".")
        origin = self.origin.get(head, head)
        return f"{origin}.{rest}" if rest else origin

    def module_of(self, name: str) -> str:
        """The module that a local name was imported from; empty when it was not."""
        return self.origin.get(name, "").rpartition(".")[0]


def statements(tree: ast.AST) -> Iterator[ast.stmt]:
    """All statements below a node in the order of the text, those of nested blocks included."""
    pending = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.stmt):
            yield node
        inner: list[ast.AST] = []
        for block in ("body", "handlers", "cases", "orelse", "finalbody"):
            inner.extend(getattr(node, block, ()))
        pending.extend(reversed(inner))
