"""Packages that bring rules of their own: their entry points `adapter_audit.rules`.

`importlib.metadata` takes longer to import than a file takes to check, and most environments have no such
package: the lists of entry points are searched for the name first.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

GROUP = "adapter_audit.rules"


def declaring_files() -> Iterator[Path]:
    """The lists of entry points on `sys.path` that name rules."""
    for folder in sys.path:
        for file in sorted(Path(folder or ".").glob("*-info/entry_points.txt")):
            with contextlib.suppress(OSError):  # another process may uninstall the package
                if GROUP.encode() in file.read_bytes():
                    yield file


def plugged_in_modules() -> list[str]:
    """Import names of the modules with rules; they are not imported."""
    if next(declaring_files(), None) is None:
        return []
    from importlib.metadata import entry_points

    return [point.value for point in entry_points(group=GROUP)]
