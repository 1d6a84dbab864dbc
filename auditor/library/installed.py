"""Which releases of the audited libraries are installed, and whether they can be audited."""

from __future__ import annotations

import platform
from functools import cache

from ..errors import BuildError
from ..schema.result import Environment
from .library import Library


def environment(library: Library) -> Environment:
    """Versions of what the audit runs with; empty for what is not installed."""
    found = {name: release_of(name) for name in library.releases}
    return Environment.model_validate({**found, "python": platform.python_version()})


def check_installed(library: Library) -> None:
    """Raise BuildError when a needed library is missing or out of range."""
    from packaging.specifiers import SpecifierSet

    for name, wanted in library.releases.items():
        have = release_of(name)
        if not have:
            do = f"install the extra: pip install 'adapter-audit[{library.extra}]'"
            raise BuildError(f"{name} is not installed", do=do)
        if not SpecifierSet(wanted).contains(have.split("+")[0], prereleases=True):
            raise BuildError(
                f"{name} {have} is not supported", why=f"needs {wanted}", do="install another release"
            )


@cache
def release_of(name: str) -> str:
    """The installed release of a package; empty when there is none."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return ""
