"""Which rules there are, without importing one: the shipped files, and the modules of other packages.

Other packages name theirs under the entry point `adapter_audit.rules`. `importlib.metadata` takes longer to
import than a file takes to check, and most environments have no such package: the lists of entry points are
searched for the name first.
"""

from __future__ import annotations

import contextlib
import pkgutil
import re
import sys
from collections.abc import Iterator
from pathlib import Path

GROUP = "adapter_audit.rules"
FOLDER = Path(__file__).parents[2] / "rules"
_NAME = re.compile(r"(aa\d+)_(\w+)")


def shipped_modules() -> dict[str, str]:
    """Id -> module of every rule of this package, ordered by id: `AA101` -> `aa101_its_name`."""
    found = sorted(m.name for m in pkgutil.iter_modules([str(FOLDER)]) if _NAME.fullmatch(m.name))
    return {name.partition("_")[0].upper(): name for name in found}


def shipped_names() -> dict[str, str]:
    """Id -> name of every rule of this package: `AA101` -> `its-name`."""
    return {key: name.partition("_")[2].replace("_", "-") for key, name in shipped_modules().items()}


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
