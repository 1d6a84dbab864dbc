"""Results on disk, found again by content; a damaged or foreign file is a miss, never an answer.

Two levels, because the files that a run uses are known only after it: `K.list` holds the sets of file
names that runs with the key K have used, and the digest of K with the present content of those files
names the result, `R.json`. Every file carries its own checksum. Writers write beside and rename, so readers
and writers need no locks; a writer that is killed leaves a temporary file, which the next sweep removes.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import UsageError

DEFAULT_LIMIT = 200_000_000
"""Bytes that a cache directory may hold."""
FORMAT = b"adapter-audit-cache-1"
MAX_LISTS = 8
"""Sets of used files remembered for one key: branches of a repository, states of an environment."""
MAX_FILE = 64_000_000
"""Bytes; no entry is larger, so a larger file is none of ours."""
SWEEP_EVERY = 32
"""Writes of one process between two sweeps."""
ABANDONED = 3600.0
"""Seconds after which a temporary file has no writer any more."""
SUFFIXES = (".list", ".json")
_WRITES = itertools.count()

HashFile = Callable[[str], "str | None"]
"""Name of a used file -> digest of its present content, None when it cannot be read."""


@dataclass
class Store:
    """One cache directory; safe for any number of processes."""

    root: Path
    limit: int = DEFAULT_LIMIT
    problem: str = ""
    """Why nothing can be stored, once that was seen."""

    def load(self, key: str, hash_file: HashFile) -> str | None:
        """The result text stored for `key` and the present content of the files it depends on."""
        for names in self._lists(key):
            digests = _digests(names, hash_file)
            if digests is None:
                continue
            path = self._path(_result_key(key, digests), ".json")
            body = _read(path)
            if isinstance(body, dict) and body.get("key") == key and body.get("files") == digests:
                text = body.get("result")
                if isinstance(text, str):
                    _touch(path, self._path(key, ".list"))
                    return text
        return None

    def save(self, key: str, files: Mapping[str, str], result: str) -> None:
        """Store a result that was made from `files` (name -> digest); a failure is kept in `problem`."""
        digests = dict(sorted(files.items()))
        lists = [list(digests), *(names for names in self._lists(key) if names != list(digests))]
        try:
            body = {"key": key, "files": digests, "result": result}
            _write(self._path(_result_key(key, digests), ".json"), body)
            _write(self._path(key, ".list"), {"key": key, "lists": lists[:MAX_LISTS]})
        except OSError as error:
            self.problem = f"{self.root}: {error.strerror or error}"
            return
        if next(_WRITES) % SWEEP_EVERY == 0:
            self.sweep()

    def sweep(self) -> None:
        """Remove what was unused for longest until the directory is at nine tenths of its limit."""
        entries = sorted(_entries(self.root))
        total = sum(size for _, size, _ in entries)
        if total <= self.limit:
            return
        for _, size, path in entries:
            if total <= self.limit * 0.9:
                break
            _remove(path)
            total -= size

    def size(self) -> int:
        """Bytes in use."""
        return sum(size for _, size, _ in _entries(self.root))

    def _lists(self, key: str) -> list[list[str]]:
        body = _read(self._path(key, ".list"))
        if not isinstance(body, dict) or body.get("key") != key or not isinstance(body.get("lists"), list):
            return []
        lists = body["lists"][:MAX_LISTS]
        return [x for x in lists if isinstance(x, list) and all(isinstance(name, str) for name in x)]

    def _path(self, key: str, suffix: str) -> Path:
        return self.root / key[:2] / (key + suffix)


def open_store(directory: Path | None, limit: int = DEFAULT_LIMIT) -> Store:
    """The cache in `directory`, else in `ADAPTER_AUDIT_CACHE`, else in the user's cache directory.

    Nothing is created before something is stored. Raises UsageError when a file is in the way.
    """
    return Store(cache_directory(directory), limit)


def cache_directory(directory: Path | None = None) -> Path:
    """What `open_store` says of the directory, without a cache in it. Raises UsageError likewise."""
    chosen = directory or _from_environment()
    if chosen is None:
        from platformdirs import user_cache_path

        chosen = user_cache_path("adapter-audit", appauthor=False)
    if chosen.exists() and not chosen.is_dir():
        raise UsageError(f"the cache directory {chosen} is a file", do="give --cache-dir a directory")
    return chosen


def _from_environment() -> Path | None:
    value = os.environ.get("ADAPTER_AUDIT_CACHE")
    return Path(value).expanduser() if value else None


def digest(*parts: str) -> str:
    """Hexadecimal digest of some texts; where one ends and the next begins is part of it."""
    found = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        found.update(len(data).to_bytes(8, "big") + data)
    return found.hexdigest()


def _result_key(key: str, digests: Mapping[str, str]) -> str:
    return digest(key, *(part for pair in sorted(digests.items()) for part in pair))


def _digests(names: list[str], hash_file: HashFile) -> dict[str, str] | None:
    found: dict[str, str] = {}
    for name in names:
        value = hash_file(name)
        if value is None:
            return None
        found[name] = value
    return dict(sorted(found.items()))


def _read(path: Path) -> Any:
    """The checked body of a cache file; None for anything else than a whole, undamaged one."""
    try:
        if path.stat().st_size > MAX_FILE:
            return None
        head, _, body = path.read_bytes().partition(b"\n")
        if head != _head(body):
            return None
        return json.loads(body)
    except (OSError, ValueError, RecursionError):
        return None


def _head(body: bytes) -> bytes:
    return FORMAT + b" " + hashlib.sha256(body).hexdigest().encode()


def _write(path: Path, content: Any) -> None:
    """Write beside and rename; raises OSError."""
    import tempfile  # only here: looking a result up must be fast

    body = json.dumps(content, separators=(",", ":")).encode()
    if len(body) > MAX_FILE - 200:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(".tmp", ".", path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_head(body) + b"\n" + body)
        os.replace(temporary, path)
    except BaseException:
        _remove(Path(temporary))
        raise


def _touch(*paths: Path) -> None:
    for path in paths:
        with contextlib.suppress(OSError):  # a cache that may only be read serves as well
            os.utime(path)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):  # another process was faster
        path.unlink()


def _entries(root: Path) -> Iterator[tuple[float, int, Path]]:
    """(time of last use, bytes, path) of our files; temporary files without a writer are removed."""
    for path in root.glob("??/*"):
        try:
            status = path.stat()
        except OSError:  # removed meanwhile
            continue
        if path.suffix == ".tmp":
            if time.time() - status.st_mtime > ABANDONED:
                _remove(path)
        elif path.suffix in SUFFIXES:
            yield status.st_mtime, status.st_size, path
