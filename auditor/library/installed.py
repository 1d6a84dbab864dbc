"""The audited libraries: which releases are installed, and whether they can be audited."""

from __future__ import annotations

import platform
from functools import cache

from ..errors import BuildError
from ..schema.result import Environment

REQUIRED = {"torch": ">=2.4", "transformers": ">=4.39,<5", "adapters": ">=0.2,<2"}
"""Supported releases."""


def environment() -> Environment:
    """Versions of what the audit ran with; empty for what is not installed."""
    found = {name: _version(name) for name in REQUIRED}
    return Environment(**found, python=platform.python_version())


def check_environment() -> None:
    """Raise BuildError when a needed library is missing or out of range."""
    from packaging.specifiers import SpecifierSet

    for name, wanted in REQUIRED.items():
        have = _version(name)
        if not have:
            raise BuildError(
                f"{name} is not installed", do="install the extra: pip install 'adapter-audit[models]'"
            )
        if not SpecifierSet(wanted).contains(have.split("+")[0], prereleases=True):
            raise BuildError(
                f"{name} {have} is not supported", why=f"needs {wanted}", do="install another release"
            )


@cache
def _version(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return ""
