"""What a bisection walks through: releases that can stand beside what stays, or the commits of a checkout."""

from __future__ import annotations

from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from ..errors import UsageError
from ..library.library import Library
from .change import Change, commit, git, release, resolved
from .installed_needs import installed_needs
from .installer import Installer


def releases(
    package: str, library: Library, installer: Installer, first: str | None = None, last: str | None = None
) -> list[Change]:
    """The releases of a package, oldest first: supported, allowed by the library, and from `first` to `last`.

    Raises UsageError when the index does not answer, or when there are fewer than two.
    """
    low, high = _bound(first), _bound(last)
    allowed = SpecifierSet(library.releases[package]) & _pins(library.package, package)
    found = [
        version
        for version in reversed(installer.versions(package))
        if allowed.contains(version) and (low is None or version >= low) and (high is None or version <= high)
    ]
    if len(found) < 2:
        named = ", ".join(map(str, found)) or "none"
        raise UsageError(
            f"there are not two releases of {package} to compare", why=f"{named} with {package}{allowed}"
        )
    return [release(package, version) for version in found]


def commits(package: str, folder: Path, first: str, last: str) -> list[Change]:
    """The commits of a checkout's main line from one to another, both with it, oldest first.

    Raises UsageError when git does not know them, or `first` does not come before `last`.
    """
    url = f"git+{folder.resolve().as_uri()}"
    start, end = resolved(url, first), resolved(url, last)
    listed = git(
        folder, "rev-list", "--first-parent", "--reverse", f"{start}..{end}", about=f"{first}..{last}"
    ).split()
    return [commit(package, url, full) for full in (start, *listed)]


def _bound(text: str | None) -> Version | None:
    if not text:
        return None
    try:
        return Version(text)
    except InvalidVersion:
        raise UsageError(f"{text!r} is no version", do="write for example 1.0.0") from None


def _pins(library: str, package: str) -> SpecifierSet:
    """What the installed library says of the package in its metadata; nothing of itself."""
    if library == package:
        return SpecifierSet()
    pins = [need.specifier for need in installed_needs(library) if canonicalize_name(need.name) == package]
    return pins[0] if pins else SpecifierSet()
