"""Published releases of adapters: known stale batch sizes are found at their lines, and nothing false.

The installed release is always checked, others where ADAPTER_AUDIT_RELEASES names them. Every place listed
for 1.3.0 was judged by hand, and all but one (a flash attention branch, which needs a GPU) were seen to fail
when executed.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pytest
from library_releases import NAMED, releases_in

from adapter_audit.auditor.lint import run
from adapter_audit.auditor.source.installed_source import package_root

KNOWN = json.loads(Path(__file__).with_name("releases.json").read_text())


def _installed() -> Path:
    root = package_root("adapters")
    assert root is not None
    return root.parent


RELEASES = list(releases_in((_installed(), *NAMED)))


@pytest.mark.parametrize(("version", "folder"), RELEASES, ids=[version for version, _ in RELEASES])
def test_release(version: str, folder: Path) -> None:
    package = folder / "adapters"
    found: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for path, flaw in run([package / "models"]).flaws:
        found[path.relative_to(package).as_posix()][flaw.rule].append(flaw.line)
    known = KNOWN[version]
    if "all" in known:
        assert found == known["all"]
    for rule, files in known.items():
        for file, lines in files.items() if rule != "all" else ():
            assert set(lines) <= set(found[file][rule])
