"""The folders: a file's name says its job and is no other's, and every package is packed."""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PARTS = ("auditor", "rules", "reports")
COMMON = {"__init__.py", "__main__.py", "conftest.py"}


def files(*folders: str) -> list[Path]:
    return sorted(file for folder in folders for file in (ROOT / folder).rglob("*.py"))


def doubled(*folders: str) -> dict[str, list[str]]:
    found = defaultdict(list)
    for file in files(*folders):
        if file.name not in COMMON:
            found[file.name].append(str(file.relative_to(ROOT)))
    return {name: places for name, places in found.items() if len(places) > 1}


def test_no_two_files_have_one_name() -> None:
    assert len(files(*PARTS)) > 200
    assert doubled(*PARTS) == {}


def test_no_two_test_files_have_one_name() -> None:
    assert {name: places for name, places in doubled("tests").items() if name.startswith("test_")} == {}


def test_every_folder_with_code_is_a_package_and_is_packed() -> None:
    folders = {file.parent.relative_to(ROOT) for file in files(*PARTS)}
    assert [str(folder) for folder in folders if not (ROOT / folder / "__init__.py").is_file()] == []
    setup = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    assert set(setup["packages"]) == {"adapter_audit." + ".".join(folder.parts) for folder in folders}


def private_imports() -> set[str]:
    """Modules and names with an underscore that are imported from the libraries."""
    found = set()
    for file in files("auditor"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and re.match(
                r"(torch|transformers|adapters)\b", node.module or ""
            ):
                found |= {node.module} if "._" in str(node.module) else set()
                found |= {alias.name for alias in node.names if alias.name.startswith("_")}
    return {str(name) for name in found}


def test_private_names_of_the_libraries_are_in_the_design() -> None:
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    assert "torch.utils._pytree" in private_imports()
    assert [name for name in private_imports() if name not in page] == []


def test_every_folder_of_the_engine_is_tested_in_one_of_its_name() -> None:
    """Folders without one are tested through the whole: by audits, commands or the rules' cases."""
    engine = {folder.parent.name for folder in (ROOT / "auditor").glob("*/__init__.py")}
    tests = {file.parent.name for file in (ROOT / "tests").glob("*/test_*.py")}
    others = {"browser", "e2e", "oracle", "oracle_peft", "reports", "rules"}
    assert tests - others <= engine
