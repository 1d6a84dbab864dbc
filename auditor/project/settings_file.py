"""Finds and reads the configuration file, and knows at which line it declares what."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..request.job import requested_job
from ..schema.spec import AuditSpec
from .settings import Config, DeclaredAudit, read_config

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

OWN_FILE = "adapter-audit.toml"
PROJECT_FILE = "pyproject.toml"
TABLE = "adapter-audit"
_HEADER = re.compile(
    r"^\s*\[\[\s*(?:tool\s*\.\s*[\"']?adapter-audit[\"']?\s*\.\s*)?[\"']?audits[\"']?\s*\]\]"
)
_ANY_HEADER = re.compile(r"^\s*\[")
_COMPOSE = re.compile(r"^\s*[\"']?compose[\"']?\s*=")


@dataclass(frozen=True)
class Declared:
    """One declared audit: its request, with paths that hold from here, and the line that declares it."""

    name: str
    spec: AuditSpec
    file: Path
    line: int
    audit: DeclaredAudit


@dataclass(frozen=True)
class ConfigFile:
    """A configuration and where it stands; `path` is None when the project has none."""

    config: Config
    path: Path | None = None
    text: str = ""

    @classmethod
    def none(cls) -> ConfigFile:
        """The defaults."""
        return cls(Config())

    @property
    def directory(self) -> Path:
        """What relative paths in it refer to."""
        return self.path.parent if self.path else Path.cwd()

    def resolve(self, value: str | None) -> Path | None:
        """A path of the configuration from here."""
        return _from_here(self.directory / Path(value).expanduser()) if value else None


def find_config(start: Path | None = None) -> Path | None:
    """The nearest `adapter-audit.toml`, or `pyproject.toml` with our table, in `start` or above it."""
    folder = (start or Path.cwd()).resolve()
    for directory in (folder, *folder.parents):
        own = directory / OWN_FILE
        if own.is_file():
            return own
        project = directory / PROJECT_FILE
        if project.is_file() and _has_table(project):
            return project
    return None


def load_config(path: Path | None = None, start: Path | None = None) -> ConfigFile:
    """Read `path`, or what `find_config` finds; defaults without either. Raises UsageError."""
    chosen = path or find_config(start)
    if chosen is None:
        return ConfigFile.none()
    text = _read(chosen)
    data = _parse(text, chosen)
    if chosen.name == PROJECT_FILE:
        tool = data.get("tool", {})
        if not isinstance(tool, dict) or TABLE not in tool:
            raise UsageError(f"{chosen} has no table [tool.{TABLE}]")
        data = tool[TABLE]
    return ConfigFile(read_config(data, str(chosen)), chosen, text)


def declared_specs(file: ConfigFile) -> list[Declared]:
    """All declared audits, their relative paths taken from the configuration's directory.

    Raises UsageError that names the audit whose composition or adapters cannot be meant.
    """
    if file.path is None:
        return []
    lines = _lines_of_audits(file.text, len(file.config.audits))
    found = []
    for audit, line in zip(file.config.audits, lines, strict=True):
        spec = _with_paths(audit.spec(), file.directory)
        try:
            requested_job(spec)
        except UsageError as error:
            where = f"{file.path}:{line}: audit {audit.id!r}: {error.what}"
            raise UsageError(where, why=error.why, do=error.do) from error
        found.append(Declared(audit.id, spec, file.path, line, audit))
    return found


def _with_paths(spec: AuditSpec, directory: Path) -> AuditSpec:
    return spec.model_copy(
        update={
            "model": _path_or_text(spec.model, directory),
            "compose": _path_or_text(spec.compose, directory),
            "adapter": spec.adapter and _path_or_text(spec.adapter, directory),
            "adapters": {name: _path_or_text(value, directory) for name, value in spec.adapters.items()},
        }
    )


def _path_or_text(value: str, directory: Path) -> str:
    """A value that names something beside the configuration file, as a path from here."""
    if not value or "\0" in value or len(value) > 1000:
        return value
    try:
        exists = (directory / Path(value)).exists()
    except OSError:
        return value
    return str(_from_here(directory / Path(value))) if exists else value


def _from_here(path: Path) -> Path:
    try:
        return Path(os.path.relpath(path))
    except ValueError:  # another drive
        return path


def _lines_of_audits(text: str, count: int) -> list[int]:
    """Line of each audit's composition; its table's first line, or 1, where that cannot be found."""
    lines = text.splitlines()
    headers = [n for n, line in enumerate(lines) if _HEADER.match(line)]
    if len(headers) != count:
        first = next((n for n, line in enumerate(lines) if re.match(r"^\s*audits\s*=", line)), 0)
        return [first + 1] * count
    return [_line_of_compose(lines, n) + 1 for n in headers]


def _line_of_compose(lines: list[str], header: int) -> int:
    for n in range(header + 1, len(lines)):
        if _ANY_HEADER.match(lines[n]):
            break
        if _COMPOSE.match(lines[n]):
            return n
    return header


def _has_table(project: Path) -> bool:
    """Whether a project file is about us; one that is not may be broken, that is not our matter."""
    try:
        if TABLE.encode() not in project.read_bytes():
            return False
    except OSError:
        return False
    tool = _parse(_read(project), project).get("tool")
    return isinstance(tool, dict) and TABLE in tool


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UsageError(f"cannot read the configuration {path}", why=why) from error


def _parse(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{path} is not valid TOML", why=str(error)) from error
