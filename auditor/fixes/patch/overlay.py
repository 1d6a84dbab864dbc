"""An importable folder with patched packages: `PYTHONPATH=DIR python train.py`.

The packages of the patched files are copied whole (Python takes a package from one folder only); the
installed files are only read. A marker lists what was written, so that nothing else is ever overwritten.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from ...errors import UsageError
from ...schema.result import Fix
from ...source.source_files import absolute_file
from .diffs import patched_files, verified_diffs

MARKER = ".adapter-audit-overlay.json"


def write_overlay(fixes: Iterable[Fix], directory: Path | str) -> Path:
    """Write the packages that the verified library patches among `fixes` change, patched, to `directory`.

    Raises UsageError when there is nothing to write, or the folder has content that is not an unchanged
    overlay of ours.
    """
    files = patched_files(verified_diffs(fixes))
    if not files:
        raise UsageError("there is no overlay to write", why="no library patch was verified")
    target = Path(directory).expanduser().absolute()
    _check_free(target)
    try:
        _write(target, files)
    except OSError as error:
        raise UsageError(f"cannot write the overlay {target}", why=error.strerror or str(error)) from error
    return target


def _write(target: Path, files: Mapping[str, str]) -> None:
    """Fill a folder beside the target, then put it in its place: a run that is ended early leaves no half."""
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent))
    try:
        for package in sorted({file.split("/")[0] for file in files}):
            shutil.copytree(
                _installed(package), fresh / package, ignore=shutil.ignore_patterns("__pycache__")
            )
        for file, text in files.items():
            (fresh / file).write_bytes(text.encode())
        marker = {"patched": sorted(files), "content": _digest(fresh)}
        (fresh / MARKER).write_text(json.dumps(marker, indent=2) + "\n", encoding="utf-8")
        fresh.chmod(0o755)
        if target.exists():
            shutil.rmtree(target)
        os.replace(fresh, target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _installed(package: str) -> Path:
    found = absolute_file(f"{package}/__init__.py")
    if found is None:
        raise UsageError(f"{package} is not installed as a package", do="apply the diff instead")
    return Path(found).parent


def _check_free(target: Path) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise UsageError(f"{target} is a file", do="name a folder for the overlay")
    if not any(target.iterdir()):
        return
    try:
        marker = json.loads((target / MARKER).read_text(encoding="utf-8"))
        ours = marker["content"] == _digest(target)
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(
            f"{target} has other content", why="it was not written by adapter-audit", do="name another folder"
        ) from None
    if not ours:
        raise UsageError(f"{target} was changed since it was written", do="name another folder or remove it")


def _digest(folder: Path) -> str:
    """Digest of all files but the marker and compiled ones."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() or p.is_symlink()):
        if path.name != MARKER and "__pycache__" not in path.parts:
            digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
