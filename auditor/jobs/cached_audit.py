"""An audit through the cache: found again by content, else done and kept."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Collection
from dataclasses import asdict

from pydantic import ValidationError

from ..cache.content_key import cache_key, hash_source, own_files
from ..cache.store import Store
from ..request.job import Job
from ..request.preflight import preflight
from ..schema.audit_options import OUTSIDE_KEY
from ..schema.result import AuditResult
from ..source.source_files import absolute_file

_STARTED = 0.0 if "transformers" in sys.modules else time.time()
"""Before this moment nothing of the audited libraries was loaded; 0 when that is not known."""


def lookup(job: Job, store: Store | None) -> AuditResult | None:
    """The stored result, or None. Neither torch nor the engine is imported."""
    key = _key(job) if store else None
    text = store.load(key, hash_source) if store and key else None
    if text is None:
        return None
    try:
        result = AuditResult.model_validate_json(text)
    except ValidationError:
        return None
    return result.model_copy(update={"id": job.spec.id, "spec": job.spec.plain()})


def audit_cached(job: Job, store: Store | None) -> AuditResult:
    """The stored result of this audit, or a new one. Raises AuditError like `audit`."""
    found = lookup(job, store)
    if found is not None:
        return found
    preflight(job)
    from .one_audit import run_with_files

    result, files = run_with_files(job, files=store is not None)
    keep(job, store, result, files)
    return result


def keep(job: Job, store: Store | None, result: AuditResult, files: Collection[str]) -> None:
    """Keep a new result that follows from these files, where that can be said."""
    key = _key(job) if store else None
    if store and key and _may_be_kept(files):
        digests = {name: hash_source(name) for name in files}
        store.save(key, {n: d for n, d in digests.items() if d is not None}, result.model_dump_json())


def _key(job: Job) -> str | None:
    return cache_key(job, {k: v for k, v in asdict(job.options).items() if k not in OUTSIDE_KEY})


def _may_be_kept(files: Collection[str]) -> bool:
    """Whether the result follows from the content of files, and from this content.

    A file that was written after this process started may have been loaded in its older form.
    """
    own = (str(file) for file in own_files())
    return bool(files) and all(_written(name) < _STARTED for name in (*files, *own))


def _written(name: str) -> float:
    try:
        status = os.stat(absolute_file(name) or name)
    except OSError:
        return float("inf")
    return max(status.st_mtime, status.st_ctime)
