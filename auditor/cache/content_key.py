"""What a result depends on, as far as it is known before the run; computed without importing torch."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
import time
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from ..library.library import Library
from ..request.job import Job
from ..schema.spec import AuditSpec
from ..source.rule_files import declaring_files, plugged_in_modules
from ..source.source_files import absolute_file
from .store import digest

OWN = "adapter-audit"
RELEVANT = ("ADAPTERS_", "TRANSFORMERS_", "PYTORCH_", "TORCH_", "ATEN_")
"""Prefixes of environment variables that change what the libraries do."""
CLOCK_TICK = 2.0
"""Seconds; no file system in use stamps coarser than this."""
ENGINE = Path(__file__).parents[1]
RULES = ENGINE.parent / "rules"


def cache_key(job: Job, options: Mapping[str, Any]) -> str | None:
    """The first-level key of an audit; None when its result cannot be known from content.

    That is so for a model made by a function: what the function reads is not known.
    """
    if job.source.config is None:
        return None
    facts = {
        "spec": job.spec.model_dump(mode="json", exclude={"id"}),
        "config": job.source.config,
        "setup": _setup_files(job.spec),
        "options": {name: sorted(v) if isinstance(v, frozenset) else v for name, v in options.items()},
        "environment": environment_facts(job.library),
    }
    return digest(json.dumps(facts, sort_keys=True, default=str))


def environment_facts(library: Library) -> dict[str, Any]:
    """Releases, machine, rules and the auditor itself."""
    return {
        "releases": {name: _release(name) for name in (*library.releases, OWN)},
        "python": platform.python_version(),
        "machine": [sys.platform, platform.machine()],
        "variables": {k: v for k, v in sorted(os.environ.items()) if k.startswith(RELEVANT)},
        "own": own_digest(),
        "plugins": _plugin_digests(),
    }


@cache
def own_digest() -> str:
    """The content of the engine and of the rules of this package."""
    parts = [(str(file.relative_to(ENGINE.parent)), hash_file(str(file)) or "") for file in own_files()]
    return digest(*(part for pair in parts for part in pair))


def own_files() -> list[Path]:
    """The files of the engine and of the rules of this package."""
    data = (file for kind in ("json", "diff") for file in (ENGINE / "knowledge").rglob(f"*.{kind}"))
    return sorted([*ENGINE.rglob("*.py"), *data, *RULES.rglob("*.py")])


@cache
def _plugin_digests() -> dict[str, str]:
    """Module of a plugged-in rule -> digest of its file, and the entry points that name it."""
    declared = {str(f): hash_file(str(f)) or "" for f in declaring_files()}
    if not declared:
        return {}
    from importlib.util import find_spec

    for module in plugged_in_modules():
        where = find_spec(module)
        origin = where.origin if where else None
        declared[module] = (hash_file(origin) if origin else None) or ""
    return declared


@cache
def _release(name: str) -> str:
    """The installed release: the first `NAME-RELEASE.dist-info` on `sys.path`, where the import finds it."""
    stem = name.replace("-", "_")
    for folder in sys.path:
        found = sorted(Path(folder or ".").glob(f"{stem}-*.dist-info"))
        if found:
            return " ".join(p.name.removeprefix(f"{stem}-").removesuffix(".dist-info") for p in found)
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _setup_files(spec: AuditSpec) -> dict[str, str]:
    """Files that the spec names: a saved composition, saved adapters' configurations."""
    found = {}
    for value in (spec.compose, spec.adapter, *spec.adapters.values()):
        for file in _files_behind(value):
            found[file] = hash_file(file) or ""
    return found


def _files_behind(value: str | None) -> Iterator[str]:
    if not value or len(value) > 4096 or "\0" in value:
        return
    path = Path(value)
    for candidate in (path, path / "adapter_setup.json", path / "adapter_config.json"):
        try:
            if candidate.is_file():
                yield str(candidate)
        except OSError:  # longer than the system allows: not a file
            return


def hash_file(path: str) -> str | None:
    """Digest of a file's content, None when it cannot be read; remembered while the file is not written."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    stamp = (status.st_mtime_ns, status.st_ctime_ns, status.st_size)
    # A second write within one tick of the file system's clock would leave the same stamp.
    is_unique = max(status.st_mtime, status.st_ctime) < time.time() - CLOCK_TICK
    return _remembered(path, stamp) if is_unique else _digest_of(path)


@lru_cache(maxsize=8192)
def _remembered(path: str, _stamp: tuple[int, int, int]) -> str | None:
    return _digest_of(path)


def _digest_of(path: str) -> str | None:
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        return None


def hash_source(name: str) -> str | None:
    """`hash_file` for a name as the trace gives it: relative to its place on `sys.path`, or absolute."""
    path = absolute_file(name)
    return hash_file(path) if path else None
