"""Helpers of the tests of fixes: run an audit with fixes, and copies of installed packages."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapter_audit.auditor.fixes import find_fixes
from adapter_audit.auditor.fixes.trial.reaudit import facts_and_result
from adapter_audit.auditor.request.job import resolved_job
from adapter_audit.auditor.schema.result import AuditResult
from adapter_audit.auditor.schema.spec import AuditSpec

Fixed = Callable[..., AuditResult]


@pytest.fixture(scope="session")
def fixed() -> Fixed:
    """`fixed(model=..., compose=...)`: the audit's result with the fixes in its findings."""

    def run(**fields: Any) -> AuditResult:
        job = resolved_job(AuditSpec.read(fields))
        facts, result = facts_and_result(job)
        fixes = find_fixes(facts, result.findings)
        findings = tuple(
            f.model_copy(update={"fixes": fixes.get(f.fingerprint, ())}) for f in result.findings
        )
        return result.model_copy(update={"findings": findings})

    return run


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder with a copy of the installed `adapters`."""
    import adapters

    folder = tmp_path / "site"
    shutil.copytree(
        Path(str(adapters.__file__)).parent, folder / "adapters", ignore=shutil.ignore_patterns("__pycache__")
    )
    return folder
