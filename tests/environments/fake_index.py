"""A package index without a network: packages with nothing in them but a module and their metadata."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

from adapter_audit.auditor.environments.installer import NotInstallable


class FakeIndex:
    """Implements `installer.Installer`; remembers what it was asked for."""

    def __init__(self, *versions: str, missing: Sequence[str] = ()) -> None:
        self.listed, self.missing = [Version(v) for v in versions], tuple(missing)
        self.differences: list[list[str]] = []
        self.installed: list[list[str]] = []

    def versions(self, name: str) -> list[Version]:
        return sorted(self.listed, reverse=True)

    def difference(self, requirements: Sequence[str]) -> list[str]:
        self.differences.append(list(requirements))
        changed = [r for r in requirements if not r.startswith("torch==")]
        if any(r in self.missing for r in changed):
            raise NotInstallable(f"{changed[0]}: no matching distribution")
        return changed

    def install(self, exact: Sequence[str], folder: Path) -> None:
        self.installed.append(list(exact))
        for text in exact:
            requirement = Requirement(text)
            write_package(folder, requirement.name, str(requirement.specifier).removeprefix("=="))


def write_package(folder: Path, name: str, version: str) -> None:
    package, info = folder / name, folder / f"{name}-{version}.dist-info"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f"__version__ = {version!r}\n")
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
