"""Installs released packages into a folder, with pip: nothing that is installed is touched."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Protocol

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from ...errors import UsageError

KEPT = ("torch",)
"""Packages that are never installed: too large, and what they need is built for this machine."""
MAX_INSTALLS = 12
PATIENCE = ("--retries", "1", "--timeout", "15", "--disable-pip-version-check", "--no-input")
TIME_LIMIT = 300.0


class NotInstallable(Exception):
    """A release cannot be had here; says why."""


class Installer(Protocol):
    """What the search for a release needs from a package index."""

    def versions(self, name: str) -> list[Version]:
        """All released versions, newest first. Raises UsageError when the index cannot be asked."""
        ...

    def install(self, requirement: str, folder: Path) -> None:
        """Install one package without what it needs. Raises NotInstallable."""
        ...


class Pip:
    """The pip of this interpreter."""

    def versions(self, name: str) -> list[Version]:
        """See `Installer`."""
        done = _pip("index", "versions", name)
        listed = re.search(r"Available versions: (.*)", done.stdout)
        if done.returncode or listed is None:
            raise UsageError(
                f"the releases of {name} cannot be listed",
                why=_last_line(done.stderr) or "pip says nothing",
                do="check the connection to the package index, or leave --check-releases out",
            )
        found = [_version(text.strip()) for text in listed[1].split(",")]
        return sorted((v for v in found if v is not None and not v.is_prerelease), reverse=True)

    def install(self, requirement: str, folder: Path) -> None:
        """See `Installer`."""
        done = _pip("install", "-q", "--no-deps", "--no-cache-dir", "--target", str(folder), requirement)
        if done.returncode:
            raise NotInstallable(f"{requirement}: {_last_line(done.stderr)}")


def install_release(installer: Installer, requirement: str, folder: Path) -> None:
    """Install a release and those of its needs that the environment does not meet. Raises NotInstallable."""
    waiting, known = [requirement], set[str]()
    for _ in range(MAX_INSTALLS):
        if not waiting:
            return
        installer.install(waiting.pop(0), folder)
        fresh = {d.metadata["Name"]: d for d in metadata.distributions(path=[str(folder)])}
        for name, distribution in fresh.items():
            if name not in known:
                waiting += [r for r in _unmet(distribution, folder) if r not in waiting]
        known |= set(fresh)
    raise NotInstallable(f"{requirement} needs more than {MAX_INSTALLS} packages")


def _unmet(distribution: metadata.Distribution, folder: Path) -> list[str]:
    """Requirements that neither the folder nor the environment meets."""
    found = []
    for text in distribution.requires or ():
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        have = _installed(requirement.name, folder)
        if have is not None and requirement.specifier.contains(have, prereleases=True):
            continue
        if canonicalize_name(requirement.name) in KEPT:
            raise NotInstallable(f"needs {requirement}, here is {have or 'none'}")
        found.append(f"{requirement.name}{requirement.specifier}")
    return found


def _installed(name: str, folder: Path) -> str | None:
    for path in ([str(folder)], sys.path):
        found = next(iter(metadata.distributions(name=name, path=list(path))), None)
        if found is not None:
            return found.version.split("+")[0]
    return None


def _pip(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip", arguments[0], *PATIENCE, *arguments[1:]]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIME_LIMIT)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"no answer within {TIME_LIMIT:g} seconds")


def _last_line(text: str) -> str:
    lines = [line.removeprefix("ERROR: ") for line in text.splitlines() if line.startswith("ERROR")]
    return (lines or text.strip().splitlines() or [""])[0]


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None
