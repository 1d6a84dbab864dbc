"""What is to be another release: `adapters==1.2.0`, a newest release, a wheel, or a checkout at a commit."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from ..errors import UsageError
from ..library.find_library import library_named, library_names
from .installer import Installer

EXAMPLES = "for example adapters==1.2.0, adapters (the newest), a wheel, or git+file:///path/adapters@main"
_NAMED = re.compile(r"^\s*([A-Za-z0-9._-]+)\s*@\s*(\S.*)$")
_COMMIT = re.compile(r"[0-9a-f]{40}")
TIME_LIMIT = 120.0
"""Seconds that git has to say which commit a name is."""


@dataclass(frozen=True)
class Change:
    """One package in another form than the installed one."""

    package: str
    requirement: str
    """What an installer is asked for; the same text is always the same code."""
    label: str
    """How a report calls it: `adapters 1.2.0`, `adapters at 88f18eb`."""


def subjects() -> tuple[str, ...]:
    """Packages that may be changed: the adapter libraries, and what they stand on."""
    return tuple(sorted({name for known in library_names() for name in library_named(known).releases}))


def read_change(text: str, installer: Installer) -> Change:
    """The change that a text asks for. Raises UsageError; asks the index for a newest release only."""
    text = text.strip()
    named = _NAMED.match(text)
    name, where = (named[1], named[2].strip()) if named else ("", text)
    if where.startswith("git+"):
        return _checkout(name, where)
    if where.endswith(".whl"):
        return _wheel(Path(where))
    if named:
        raise UsageError(f"{where!r} is neither a wheel nor git+URL", do=EXAMPLES)
    package, equals, version = text.partition("==")
    package = _known(package)
    if not equals:
        return release(package, _newest(package, installer))
    try:
        return release(package, Version(version))
    except InvalidVersion:
        raise UsageError(f"{version!r} is no version of {package}", do=EXAMPLES) from None


def release(package: str, version: Version) -> Change:
    """A released version of a package."""
    return Change(package, f"{package}=={version}", f"{package} {version}")


def commit(package: str, url: str, full: str) -> Change:
    """One commit of a repository; `url` begins with `git+`."""
    return Change(package, f"{package} @ {url}@{full}", f"{package} at {full[:9]}")


def _newest(package: str, installer: Installer) -> Version:
    versions = installer.versions(package)
    if not versions:
        raise UsageError(f"the package index has no release of {package} for this Python")
    return versions[0]


def _known(name: str) -> str:
    package = canonicalize_name(name.strip())
    if package not in subjects():
        raise UsageError(
            f"{name.strip()!r} cannot be changed", why=f"only {', '.join(subjects())}", do=EXAMPLES
        )
    return str(package)


def _wheel(path: Path) -> Change:
    try:
        name, version, _, _ = parse_wheel_filename(path.name)
    except InvalidWheelFilename as error:
        raise UsageError(f"{path} is no wheel", why=str(error)) from error
    if not path.is_file():
        raise UsageError(f"there is no wheel {path}")
    package = _known(name)
    return Change(package, f"{package} @ {path.resolve().as_uri()}", f"{package} {version} ({path.name})")


def _checkout(name: str, where: str) -> Change:
    address, at, ref = where.rpartition("@")
    if not at or not urlsplit(address.removeprefix("git+")).path:
        address, ref = where, "HEAD"  # no @, or one that is part of git@host
    package = _known(name or _last_part(address))
    return commit(package, address, resolved(address, ref))


def _last_part(address: str) -> str:
    return urlsplit(address).path.rstrip("/").rsplit("/", 1)[-1].removesuffix(".git")


def local_folder(address: str) -> Path | None:
    """The folder of a `git+file://` address; None for one on another machine."""
    parts = urlsplit(address.removeprefix("git+"))
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def resolved(address: str, ref: str) -> str:
    """The commit that a ref of a repository is now. Raises UsageError."""
    folder = local_folder(address)
    if folder is not None:
        return git(
            folder, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}", about=f"{ref} of {folder}"
        )
    if _COMMIT.fullmatch(ref):
        return ref
    listed = git(None, "ls-remote", address.removeprefix("git+"), ref, about=f"{ref} of {address}")
    return listed.split()[0]


def git(folder: Path | None, *arguments: str, about: str) -> str:
    """What git answers, stripped. Raises UsageError where it has no answer."""
    command = ["git", *(("-C", str(folder)) if folder else ()), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIME_LIMIT)
    except FileNotFoundError as error:
        raise UsageError("git is not installed", why="a checkout is read with it") from error
    except subprocess.TimeoutExpired as error:
        raise UsageError(f"git does not find {about}", why=f"no answer in {TIME_LIMIT:g} seconds") from error
    answer = done.stdout.strip()
    if done.returncode or not answer:
        why = (done.stderr.strip().splitlines() or ["there is no such commit"])[-1]
        raise UsageError(f"git does not find {about}", why=why)
    return answer
