"""The audits that a project declares, as items of a run of pytest (`--adapter-audit`)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..cache.store import Store, open_store
from ..errors import AuditError
from ..jobs.cached_audit import audit_cached
from ..project.baseline import Baseline
from ..project.policy import Policy
from ..project.rule_names import rule_ids
from ..project.settings_file import ConfigFile, Declared, declared_specs, load_config
from ..request.job import resolved_job
from ..schema.audit_options import AuditOptions
from .assertion import Incompatible, defaults, hold_to


def declared_items(session: pytest.Session) -> Iterator[pytest.Item]:
    """One item for each audit. Raises pytest.UsageError when none is declared, or a declaration is wrong."""
    try:
        file = load_config(start=session.config.rootpath)
        declared = declared_specs(file)
        project = _Project(file)
    except AuditError as error:
        raise pytest.UsageError(error.line) from error
    if not declared:
        raise pytest.UsageError("--adapter-audit: no [[tool.adapter-audit.audits]] is declared")
    folder = str(file.directory.resolve())
    if folder not in sys.path:
        sys.path.insert(0, folder)  # for models that a function of the project makes
    for audit in declared:
        item = DeclaredAuditItem.from_parent(session, name=f"adapter-audit::{audit.name}", path=audit.file)
        item.declared, item.project = audit, project
        yield item


class _Project:
    """What the declared audits share."""

    def __init__(self, file: ConfigFile) -> None:
        config = file.config
        known = file.resolve(config.baseline)
        self.policy = Policy(config.ignore, Baseline.read(known) if known else None)
        self.options = AuditOptions(
            static_only=defaults.static_only or config.static_only,
            offline=config.offline,
            select=rule_ids(config.select),
        )
        self.store: Store | None = open_store(file.resolve(config.cache_dir)) if config.cache else None


class DeclaredAuditItem(pytest.Item):
    """One declared audit."""

    declared: Declared
    project: _Project

    def runtest(self) -> None:
        """Audit it, and hold it to what is expected or to `--adapter-audit-fail-on`."""
        audit = self.declared.audit
        job = resolved_job(self.declared.spec, self.project.options)
        result = self.project.policy.applied(audit_cached(job, self.project.store), audit.ignore)
        result = result.model_copy(update={"id": self.declared.name})
        if audit.expect is None:
            hold_to(result)
            return
        hold_to(result, "never,unknown=0")
        if result.verdict is not audit.expect:
            raise Incompatible(result)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The report, or the one line of an error that a user can cause."""
        error = excinfo.value
        if isinstance(error, Incompatible):
            expected = self.declared.audit.expect
            head = f"expected {expected.value}, but it is {error.result.verdict.value}\n" if expected else ""
            return f"{head}{error}"
        if isinstance(error, AuditError):
            return error.line
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """The line that declares the audit."""
        return self.declared.file, self.declared.line - 1, self.name
