"""Overlays: folders with what differs from the installed packages, made whole or not at all, and kept.

An overlay is found again by what was asked for and by what is installed. It is made in a folder of another
name, which is renamed at the end: what a killed run leaves is never used, and the next one removes it.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from filelock import FileLock, Timeout
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ..errors import UsageError
from ..knowledge.unwritten_needs import unwritten_needs
from .change import Change
from .installed_needs import installed_needs
from .installer import Installer

FOLDER = "environments"
LIMIT = 20_000_000_000
"""Bytes of all overlays; beyond, those unused for longest are removed."""
IN_USE = 86_400.0
"""Seconds after its last use in which an overlay is not removed."""
PARTIAL = ".partial"
RECORD = "overlay.json"
PACKAGES = "packages"
HEAVY = "torch"
"""The package that is shared with the installed environment unless it is itself to be changed."""


@dataclass(frozen=True)
class Overlay:
    """Packages that come before the installed ones; without a folder, the environment as it is."""

    label: str
    folder: Path | None = None

    def path(self, more: Iterable[str] = ()) -> str:
        """PYTHONPATH for a process in it; `more` comes after the overlay and before what is set."""
        parts = [str(self.folder) if self.folder else "", *more, os.environ.get("PYTHONPATH", "")]
        return os.pathsep.join(filter(None, parts))


HERE = Overlay("what is installed")


@dataclass
class Overlays:
    """The overlays of one cache directory; safe for any number of processes."""

    root: Path
    installer: Installer
    limit: int = LIMIT
    made: list[str] = field(default_factory=list)
    """Labels of those that were not there before."""

    def overlay(self, changes: Sequence[Change], kept: Sequence[str] = ()) -> Overlay:
        """The overlay with these changes, made if it is not there; `kept` packages stay as installed.

        Raises NotInstallable when it cannot be made, UsageError when it cannot be written.
        """
        label = ", ".join(change.label for change in changes)
        requirements = _requirements(changes, kept)
        folder = self.root / _key(requirements)
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self._sweep_abandoned()
            if not (folder / RECORD).is_file():
                self._sweep_unused()
            with FileLock(f"{folder}.lock"):
                if not (folder / RECORD).is_file():
                    self._make(folder, requirements)
                    self.made.append(label)
                (folder / RECORD).touch()
        except OSError as error:
            raise UsageError(f"cannot write {self.root}", why=error.strerror or str(error)) from error
        return Overlay(label, folder / PACKAGES)

    def _make(self, folder: Path, requirements: Sequence[str]) -> None:
        """Make an overlay under another name, then rename it. Raises NotInstallable."""
        partial = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", suffix=PARTIAL, dir=self.root))
        try:
            packages = partial / PACKAGES
            packages.mkdir()
            exact = self.installer.difference(requirements)
            if exact:
                self.installer.install(exact, packages)
            shutil.rmtree(partial / "temporary", ignore_errors=True)
            record = {"asked": list(requirements), "installed": exact}
            (partial / RECORD).write_text(json.dumps(record, indent=2), encoding="utf-8")
            partial.replace(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _sweep_abandoned(self) -> None:
        """Remove what killed runs have left; an installer that outlived its run may still add to it."""
        for partial in self.root.glob(f"*{PARTIAL}"):
            self._remove(partial.name.split(".")[0], partial)

    def _sweep_unused(self) -> None:
        """Remove, beyond the limit, what was unused for longest."""
        left = {folder: _size(folder) for folder in self._unused()}
        total = sum(left.values())
        for folder, size in left.items():
            if total <= self.limit:
                return
            self._remove(folder.name, folder)
            total -= size

    def _unused(self) -> Iterator[Path]:
        """Overlays, that of the oldest use first, without those that somebody may be using."""
        used = sorted((record.stat().st_mtime, record.parent) for record in self.root.glob(f"*/{RECORD}"))
        yield from (folder for when, folder in used if when < time.time() - IN_USE)

    def _remove(self, key: str, folder: Path) -> None:
        """Remove a folder unless another process is at it."""
        try:
            with FileLock(self.root / f"{key}.lock", timeout=0):
                shutil.rmtree(folder, ignore_errors=True)
        except Timeout:
            return


def overlays_in(directory: Path, installer: Installer) -> Overlays:
    """The overlays kept below a cache directory."""
    return Overlays(directory / FOLDER, installer)


def _requirements(changes: Sequence[Change], kept: Sequence[str]) -> tuple[str, ...]:
    """All that has to hold together. Raises UsageError for a package that is changed twice."""
    changed = {change.package: change.requirement for change in changes}
    if len(changed) < len(changes):
        twice = [c.label for c in changes]
        raise UsageError(f"a package cannot be changed twice: {', '.join(twice)}")
    same = [name for name in dict.fromkeys((*kept, HEAVY)) if name not in changed]
    pinned = [f"{name}=={version}" for name in same if (version := _installed_version(name))]
    unwritten = [need for requirement in changed.values() for need in unwritten_needs(requirement)]
    return tuple(sorted({*changed.values(), *pinned, *unwritten}))


def _installed_version(name: str) -> str:
    try:
        return metadata.version(name).split("+")[0]
    except metadata.PackageNotFoundError:
        return ""


def _key(requirements: Sequence[str]) -> str:
    """What an overlay depends on: the request with the files it names, the interpreter, what is installed."""
    facts = [
        *(_content(requirement) for requirement in requirements),
        [platform.python_version(), sys.platform, platform.machine()],
        _installed_beside(Requirement(text).name for text in requirements),
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:20]


def _installed_beside(names: Iterable[str]) -> list[tuple[str, str]]:
    """What is installed of the packages, and of all that they need there: other packages play no part."""
    found, waiting = dict[str, str](), [str(canonicalize_name(name)) for name in names]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found[name] = _installed_version(name)
        waiting += [str(canonicalize_name(need.name)) for need in installed_needs(name)]
    return sorted(found.items())


def _content(requirement: str) -> list[str]:
    """A requirement, and what is in the file that it names."""
    url = Requirement(requirement).url or ""
    if not url.startswith("file:"):
        return [requirement]
    from urllib.parse import unquote, urlsplit

    file = Path(unquote(urlsplit(url).path))
    return [requirement, hashlib.sha256(file.read_bytes()).hexdigest()]


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
