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
from ..request.model_source import ModelSource, resolve
from ..request.preflight import preflight
from ..schema.audit_options import AuditOptions
from ..schema.result import AuditResult
from ..schema.spec import AuditSpec
from ..source.source_files import absolute_file

_STARTED = 0.0 if "transformers" in sys.modules else time.time()
"""Before this moment nothing of the audited libraries was loaded; 0 when that is not known."""


def lookup(spec: AuditSpec, options: AuditOptions, store: Store | None) -> AuditResult | None:
    """The stored result, or None. Neither torch nor the pipeline is imported; raises UsageError."""
    spec.check()
    return _found(spec, resolve(spec.model, offline=options.offline), options, store)


def audit_cached(spec: AuditSpec, options: AuditOptions, store: Store | None) -> AuditResult:
    """The stored result of this audit, or a new one. Raises AuditError like `audit`."""
    spec.check()
    source = resolve(spec.model, offline=options.offline)
    found = _found(spec, source, options, store)
    if found is None:
        preflight(spec, source)
    return found if found is not None else _audited(spec, source, options, store)


def _found(
    spec: AuditSpec, source: ModelSource, options: AuditOptions, store: Store | None
) -> AuditResult | None:
    key = _key(spec, source, options) if store else None
    text = store.load(key, hash_source) if store and key else None
    if text is None:
        return None
    try:
        result = AuditResult.model_validate_json(text)
    except ValidationError:
        return None
    own = {"id": spec.id, "spec": spec.model_dump(mode="json", exclude_none=True)}
    return result.model_copy(update=own)


def _audited(spec: AuditSpec, source: ModelSource, options: AuditOptions, store: Store | None) -> AuditResult:
    from .one_audit import audit_with_files

    key = _key(spec, source, options) if store else None
    result, files = audit_with_files(spec, source, options, files=bool(key))
    if store and key and _may_be_kept(files):
        digests = {name: hash_source(name) for name in files}
        store.save(key, {n: d for n, d in digests.items() if d is not None}, result.model_dump_json())
    return result


def _key(spec: AuditSpec, source: ModelSource, options: AuditOptions) -> str | None:
    return cache_key(spec, source, {k: v for k, v in asdict(options).items() if k != "offline"})


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
