"""A copy of the installed library in which the errors written up under docs/findings are mended.

A defect shows only where the library is right without it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

FINDINGS = Path(__file__).resolve().parents[2] / "docs" / "findings"


def use_mended_copy(folder: Path) -> None:
    """Copy the library into a folder, apply the patches, and import it from there from now on."""
    if "adapters" in sys.modules:
        raise RuntimeError("adapters has been imported already")
    found = find_spec("adapters")
    if found is None or found.origin is None:
        raise RuntimeError("adapters is not installed")
    shutil.copytree(
        Path(found.origin).parent, folder / "adapters", ignore=shutil.ignore_patterns("__pycache__")
    )
    for page in sorted(FINDINGS.glob("[0-9]*.md")):
        for patch in re.findall(r"^```diff\n(.*?)^```", page.read_text(encoding="utf-8"), re.S | re.M):
            subprocess.run(["git", "apply", "-"], input=patch, text=True, check=True, cwd=folder)
    sys.path.insert(0, str(folder))
