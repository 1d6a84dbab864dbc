"""The longest sequence that a model takes: its configuration, and the source of transformers, without torch.

Only a model with a table of absolute positions has an end. Whether it has one is read from its source:
`nn.Embedding(config.max_position_embeddings, ...)`, made under no condition. Relative and rotary positions
have no table, and what is not certain has no answer here.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..knowledge.library_names import TRANSFORMERS
from ..source.installed_source import package_root
from .job import Job


@dataclass(frozen=True)
class _Table:
    """How a model's source makes its table of positions."""

    padded: bool
    """Whether positions are counted from behind the row of the padding token."""


def check_length(job: Job, config: Mapping[str, Any]) -> None:
    """Raise UsageError for a sequence that is certainly longer than the table of positions of the model."""
    part, folder = _reader(config)
    if part is None or (part is not config and job.spec.head):
        return
    name, rows = _size(part, folder)
    if rows is None or part.get("position_embedding_type", "absolute") != "absolute":
        return
    first = _first_position(job, part, folder)
    if job.tokens + first <= rows:  # reading the model's source would take longer than all the rest
        return
    table = _table(folder)
    longest = rows - (first if table is not None and table.padded else 0)
    if table is None or job.tokens <= longest:
        return
    start = f", and the first position is {first}" if longest != rows else ""
    raise UsageError(
        f"a sequence of {job.tokens} tokens is longer than the model allows",
        why=f"{name} is {rows}{start}",
        do=f"use --seq-len {longest} or less" if longest > 0 else "",
    )


def _reader(config: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, Path]:
    """The configuration of the model that reads the tokens, and the folder of its source."""
    root = package_root("transformers")
    name = str(config.get("model_type", "")).replace("-", "_")
    folder = (root or Path()) / "models" / name
    if root is None or not name.isidentifier() or not folder.is_dir():
        return None, folder
    for key in TRANSFORMERS.text_parts:
        part = config.get(key)
        if isinstance(part, Mapping):
            inner, own_folder = _reader(part)
            return (inner, own_folder) if inner is not None else (part, folder)
    return config, folder


def _first_position(job: Job, config: Mapping[str, Any], folder: Path) -> int:
    """The row of the first token in a table that keeps one for padding, unless the caller numbers them."""
    shortened = job.spec.mask in ("right", "left") and job.rows == 1
    if shortened or "position_ids" in job.spec.inputs:
        return 0
    padding = _number(config, "pad_token_id", folder)
    return 0 if padding is None else padding + 1


def _size(config: Mapping[str, Any], folder: Path) -> tuple[str, int | None]:
    """The rows of the table, and what this type of model calls them."""
    for name in TRANSFORMERS.positions:
        rows = _number(config, name, folder)
        if rows is not None:
            return _defaults(folder, str(config.get("model_type", "")))[1].get(name, name), rows
    return "", None


def _number(config: Mapping[str, Any], name: str, folder: Path) -> int | None:
    """A whole number of the configuration: as it is written, or the default of its class."""
    defaults, renamed = _defaults(folder, str(config.get("model_type", "")))
    own = renamed.get(name, name)
    value = config.get(name, config.get(own, defaults.get(own)))
    return value if isinstance(value, int) and not isinstance(value, bool) else None


@cache
def _defaults(folder: Path, model_type: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Defaults of the configuration class of a model type, and its other names for fields."""
    for node in _classes(folder, "configuration_"):
        facts = {t.id: s.value for s in node.body if isinstance(s, ast.Assign) for t in _names(s.targets)}
        if _plain(facts.get("model_type")) != model_type:
            continue
        renamed = _plain(facts.get("attribute_map"))
        init = next((f for f in node.body if isinstance(f, ast.FunctionDef) and f.name == "__init__"), None)
        return _arguments(init), renamed if isinstance(renamed, dict) else {}
    return {}, {}


def _arguments(function: ast.FunctionDef | None) -> dict[str, Any]:
    if function is None:
        return {}
    arguments = function.args
    given = arguments.args[len(arguments.args) - len(arguments.defaults) :]
    return {a.arg: _plain(default) for a, default in zip(given, arguments.defaults, strict=True)}


@cache
def _table(folder: Path) -> _Table | None:
    """The table of positions of a model's source; None without one, or when it is there only sometimes."""
    classes = _classes(folder, "modeling_")
    tables = {node.name for node in classes if any(ast.unparse(b) == "nn.Embedding" for b in node.bases)}
    tables.add("nn.Embedding")
    found: list[_Table] = []
    for node in classes:
        init = next((f for f in node.body if isinstance(f, ast.FunctionDef) and f.name == "__init__"), None)
        made = list(_made(init, tables)) if init is not None else []
        if any(not always for _, always in made):
            return None
        found += [table for table, _ in made[-1:]]
    return found[0] if found and len({table.padded for table in found}) == 1 else None


def _made(function: ast.FunctionDef, tables: set[str]) -> Iterator[tuple[_Table, bool]]:
    """Tables that a constructor makes, and whether it does so under no condition."""
    for node in ast.walk(function):
        if not isinstance(node, ast.Call) or not node.args or ast.unparse(node.func) not in tables:
            continue
        owner, _, size = ast.unparse(node.args[0]).rpartition(".")
        if owner in ("config", "self.config") and size in TRANSFORMERS.positions:
            padded = any(keyword.arg == "padding_idx" for keyword in node.keywords)
            always = any(isinstance(s, ast.Assign) and s.value is node for s in function.body)
            yield _Table(padded), always


def _classes(folder: Path, prefix: str) -> list[ast.ClassDef]:
    """Classes of the file of this kind in a model's folder of transformers."""
    file = folder / f"{prefix}{folder.name}.py"
    if not file.is_file():
        return []
    return [n for n in ast.parse(file.read_text(encoding="utf-8")).body if isinstance(n, ast.ClassDef)]


def _names(targets: list[ast.expr]) -> list[ast.Name]:
    return [target for target in targets if isinstance(target, ast.Name)]


def _plain(node: ast.expr | None) -> Any:
    try:
        return None if node is None else ast.literal_eval(node)
    except ValueError:
        return None
