"""Published releases of adapters: known stale batch sizes are found at their lines, and nothing false.

The installed release is always checked; more are named by ADAPTER_AUDIT_RELEASES, a list of folders (as in
PATH) that each hold an `adapters` package and its metadata. Every place listed for 1.3.0 was judged by hand,
and all but one (a flash attention branch, which needs a GPU) were seen to fail when executed.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from importlib.metadata import distributions
from pathlib import Path

import pytest

from adapter_audit.auditor.lint import run
from adapter_audit.auditor.source.installed_source import package_root

KNOWN = json.loads(Path(__file__).with_name("releases.json").read_text())


def _installed() -> Path:
    root = package_root("adapters")
    assert root is not None
    return root.parent


def _releases() -> list[tuple[str, Path]]:
    named = [Path(p) for p in os.environ.get("ADAPTER_AUDIT_RELEASES", "").split(os.pathsep) if p]
    found = []
    for folder in [_installed(), *named]:
        for distribution in distributions(path=[str(folder)]):
            if distribution.metadata["Name"] == "adapters":
                found.append((distribution.version, folder / "adapters"))
    return found


@pytest.mark.parametrize(("version", "package"), _releases(), ids=lambda v: v if isinstance(v, str) else "")
def test_release(version: str, package: Path) -> None:
    found: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for path, flaw in run([package / "models"]).flaws:
        found[path.relative_to(package).as_posix()][flaw.rule].append(flaw.line)
    known = KNOWN[version]
    if "all" in known:
        assert found == known["all"]
    for rule, files in known.items():
        for file, lines in files.items() if rule != "all" else ():
            assert set(lines) <= set(found[file][rule])
