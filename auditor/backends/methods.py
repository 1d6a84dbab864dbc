"""Names of the adapter methods that the installed library knows, read from its source without importing it.

A wrong name is then answered at once; the library itself, which takes seconds to import, has the last word.
"""

from __future__ import annotations

import ast
from difflib import get_close_matches
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path

from ..errors import LibraryRefusal

TABLE = "ADAPTER_CONFIG_MAP"


def check_name(config: str) -> None:
    """Raise LibraryRefusal for a method that is certainly unknown; silent where that cannot be told."""
    known = known_methods()
    if not known or Path(config).exists():
        return
    for part in config.split("|"):
        name = part.strip().partition("[")[0].strip()
        if name and name not in known:
            near = get_close_matches(name, known, 3, 0.5)
            raise LibraryRefusal(
                f"{config!r} is not an adapter configuration",
                why=f"the installed adapters release has no method {name!r}",
                do=f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(sorted(known))}",
            )


@cache
def known_methods() -> frozenset[str]:
    """The keys of the library's table of configurations; empty when it cannot be read."""
    spec = PathFinder.find_spec("adapters")  # not `find_spec`: the imported library hides its own
    folders = spec.submodule_search_locations if spec is not None else None
    for folder in folders or ():
        file = Path(folder) / "configuration" / "adapter_config.py"
        if file.is_file():
            return frozenset(_keys(ast.parse(file.read_text(encoding="utf-8"))))
    return frozenset()


def _keys(tree: ast.Module) -> list[str]:
    for node in tree.body:
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Dict):
            continue
        if any(isinstance(target, ast.Name) and target.id == TABLE for target in node.targets):
            return [str(k.value) for k in node.value.keys if isinstance(k, ast.Constant)]
    return []
