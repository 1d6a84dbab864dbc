"""An audit through the cache: found again by content, else done and kept."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from pydantic import ValidationError

from .cache import Store
from .cache_key import cache_key, hash_touched, own_files
from .models import ModelSource, resolve
from .result import AuditResult, Verdict
from .spec import AuditSpec
from .trace.sites import absolute_file

_STARTED = 0.0 if "transformers" in sys.modules else time.time()
"""Before this moment nothing of the audited libraries was loaded; 0 when that is not known."""


@dataclass(frozen=True)
class Request:
    """How an audit is done, as plain data (`pipeline.AuditOptions`, which this must not import)."""

    static_only: bool = False
    offline: bool = False
    graph: bool = False
    select: frozenset[str] = frozenset()
    ignore: frozenset[str] = frozenset()


def lookup(spec: AuditSpec, request: Request, store: Store | None) -> AuditResult | None:
    """The stored result, or None. Neither torch nor the pipeline is imported; raises UsageError."""
    spec.check()
    return _found(spec, resolve(spec.model, offline=request.offline), request, store)


def audit_cached(spec: AuditSpec, request: Request, store: Store | None) -> AuditResult:
    """The stored result of this audit, or a new one. Raises AuditError like `audit`."""
    spec.check()
    source = resolve(spec.model, offline=request.offline)
    found = _found(spec, source, request, store)
    return found if found is not None else _audited(spec, source, request, store)


def _found(spec: AuditSpec, source: ModelSource, request: Request, store: Store | None) -> AuditResult | None:
    key = _key(spec, source, request) if store else None
    text = store.load(key, hash_touched) if store and key else None
    if text is None:
        return None
    try:
        result = AuditResult.model_validate_json(text)
    except ValidationError:
        return None
    own = {"id": spec.id, "spec": spec.model_dump(mode="json", exclude_none=True)}
    return result.model_copy(update=own)


def _audited(spec: AuditSpec, source: ModelSource, request: Request, store: Store | None) -> AuditResult:
    from .pipeline import AuditOptions, audit_with_files

    key = _key(spec, source, request) if store else None
    result, files = audit_with_files(spec, source, AuditOptions(**asdict(request)))
    if store and key and _may_be_kept(result, files):
        digests = {name: hash_touched(name) for name in files}
        store.save(key, {n: d for n, d in digests.items() if d is not None}, result.model_dump_json())
    return result


def _key(spec: AuditSpec, source: ModelSource, request: Request) -> str | None:
    return cache_key(spec, source, {k: v for k, v in asdict(request).items() if k != "offline"})


def _may_be_kept(result: AuditResult, files: Iterable[str]) -> bool:
    """Whether the result follows from content alone.

    The death of a process may be the machine's doing (memory, time). And a file that was written after this
    process started may have been loaded in its older form.
    """
    if result.error or any(f.verdict in (Verdict.ABORT, Verdict.UNKNOWN) for f in result.findings):
        return False
    own = (str(file) for file in own_files())
    return all(_written(name) < _STARTED for name in (*files, *own))


def _written(name: str) -> float:
    try:
        status = os.stat(absolute_file(name) or name)
    except OSError:
        return float("inf")
    return max(status.st_mtime, status.st_ctime)
