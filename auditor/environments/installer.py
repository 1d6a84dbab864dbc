"""Package installers: which releases there are, what a change takes, and putting it into a folder.

Both resolve against the running interpreter, so that the answer is the difference to what is installed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from ..errors import UsageError

TIME_LIMIT = 1800.0
"""Seconds for one call: a torch is large, a checkout is built."""
PATIENCE = ("--retries", "1", "--timeout", "15", "--disable-pip-version-check", "--no-input")
UV_DRAWS = " \u00d7\u2570\u2500\u25b6\u2502"
"""What uv draws beside its words."""
_UV_PLUS = re.compile(r"^ \+ (\S+)==(\S+)", re.MULTILINE)


class NotInstallable(Exception):
    """A release cannot be had here; says why."""


class Installer(Protocol):
    """What is needed from a package index and its client."""

    def versions(self, name: str) -> list[Version]:
        """All final releases for this Python, newest first. Raises UsageError when nobody answers."""
        ...

    def difference(self, requirements: Sequence[str]) -> list[str]:
        """What has to be installed to meet them all, as exact requirements. Raises NotInstallable."""
        ...

    def install(self, exact: Sequence[str], folder: Path) -> None:
        """Put exactly these into a folder, without what they need. Raises NotInstallable."""
        ...


def installer() -> Installer:
    """`uv` where it is on the path, else the pip of this interpreter. Raises UsageError without either."""
    uv = shutil.which("uv")
    if uv:
        return Uv(uv)
    if find_spec("pip") is None:
        raise UsageError("there is neither uv nor pip here", why="other releases are installed with them")
    return Pip()


class Pip:
    """The pip of this interpreter."""

    command: tuple[str, ...] = (sys.executable, "-m", "pip")

    def versions(self, name: str) -> list[Version]:
        """See `Installer`."""
        done = _run((*self.command, "index", *PATIENCE, "versions", name))
        listed = re.search(r"Available versions: (.*)", done.stdout)
        if done.returncode or listed is None:
            raise UsageError(
                f"the releases of {name} cannot be listed",
                why=_why(done.stderr) or "pip says nothing",
                do="check the connection to the package index",
            )
        found = [_version(text.strip()) for text in listed[1].split(",")]
        return sorted((v for v in found if v is not None and not v.is_prerelease), reverse=True)

    def difference(self, requirements: Sequence[str]) -> list[str]:
        """See `Installer`."""
        with tempfile.TemporaryDirectory(prefix="adapter-audit-") as folder:
            report = Path(folder) / "report.json"
            arguments = ("--dry-run", "-q", "--only-binary", ":all:", "--report", str(report))
            done = _run((*self.command, "install", *PATIENCE, *arguments, *requirements))
            if done.returncode:
                raise NotInstallable(_why(done.stderr))
            metadata = [item["metadata"] for item in json.loads(report.read_text())["install"]]
        return _exact({m["name"]: m["version"] for m in metadata}, requirements)

    def install(self, exact: Sequence[str], folder: Path) -> None:
        """See `Installer`."""
        # To compile thousands of modules takes longer than the audit, which imports a few hundred.
        arguments = ("-q", "--no-deps", "--no-compile", "--only-binary", ":all:", "--target", str(folder))
        _installed(_run((*self.command, "install", *PATIENCE, *arguments, *exact), _beside(folder)))


class Uv:
    """`uv`, for this interpreter. It cannot list releases: a pip does, which uv fetches if there is none."""

    def __init__(self, program: str) -> None:
        self.program = program

    def versions(self, name: str) -> list[Version]:
        """See `Installer`."""
        pip = Pip()
        if find_spec("pip") is None:
            pip.command = (self.program, "tool", "run", "--python", sys.executable, "pip")
        return pip.versions(name)

    def difference(self, requirements: Sequence[str]) -> list[str]:
        """See `Installer`."""
        done = self._pip("--dry-run", "--color", "never", requirements=requirements)
        if done.returncode:
            raise NotInstallable(_why(done.stderr))
        return _exact(dict(_UV_PLUS.findall(done.stderr)), requirements)

    def install(self, exact: Sequence[str], folder: Path) -> None:
        """See `Installer`."""
        arguments = ("-q", "--no-deps", "--target", str(folder))
        _installed(self._pip(*arguments, requirements=exact, variables=_beside(folder)))

    def _pip(
        self, *arguments: str, requirements: Sequence[str], variables: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        binary = ("--no-build",) if not any(" @ " in r for r in requirements) else ()
        command = (self.program, "pip", "install", "--python", sys.executable, *binary, *arguments)
        return _run((*command, *requirements), variables)


def _exact(found: Mapping[str, str], requirements: Sequence[str]) -> list[str]:
    """Exact requirements; what was asked for by its address stays so, installed in that version or not."""
    addressed = {canonicalize_name(Requirement(r).name): r for r in requirements if " @ " in r}
    others = {canonicalize_name(name): version for name, version in found.items()}
    released = [f"{name}=={version}" for name, version in others.items() if name not in addressed]
    return sorted([*addressed.values(), *released])


def _beside(folder: Path) -> dict[str, str]:
    """Variables that put what an installer leaves when it is killed where the next run removes it."""
    temporary = folder.parent / "temporary"
    temporary.mkdir(parents=True, exist_ok=True)
    return {"TMPDIR": str(temporary), "TEMP": str(temporary), "TMP": str(temporary)}


def _installed(done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode:
        raise NotInstallable(_why(done.stderr))


def _run(
    command: Sequence[str], variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    environment = os.environ | (variables or {})
    try:
        return subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=TIME_LIMIT, env=environment
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"no answer within {TIME_LIMIT:g} seconds")


def _why(text: str) -> str:
    """What an installer says is wrong, on one line."""
    lines = [line.removeprefix("ERROR: ").strip() for line in text.splitlines() if line.startswith("ERROR")]
    if not lines:
        lines = [line.strip(UV_DRAWS) for line in text.splitlines() if not line.startswith("WARNING")]
    return " ".join(dict.fromkeys(filter(None, lines)))[:600]


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None
