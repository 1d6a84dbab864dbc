"""Upgrades that are proven: other releases of the library, each in a folder that is thrown away.

The folder lies before the installed packages on the path of a child process that does the same audit.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.version import Version
from pydantic import ValidationError

from ...library.installed import release_of
from ...library.library import Library
from ...request.job import Job
from ...schema.result import AuditResult, Fix
from ..trial.trial_process import TIME_LIMIT, Request
from .installer import Installer, NotInstallable, Pip, install_release

MODULE = f"{__package__}.audit_in_environment"


def other_releases(library: Library, installer: Installer | None = None) -> list[Version]:
    """Supported releases but the installed one, the nearest first and newer ones before older ones.

    Raises UsageError when the package index cannot be asked.
    """
    supported = SpecifierSet(library.releases[library.package])
    own = Version(release_of(library.package))
    versions = (installer or Pip()).versions(library.package)
    others = [v for v in versions if v != own and supported.contains(v)]
    newer = sorted(v for v in others if v > own)
    return [*newer, *sorted((v for v in others if v < own), reverse=True)]


def release_fix(job: Job, releases: Iterable[Version], installer: Installer | None = None) -> Fix:
    """The nearest release whose audit is compatible; what speaks against each of them where none is."""
    package = job.library.package
    other = f"another release of {package}"
    own, failed = Version(release_of(package)), list[str]()
    try:
        request = Request.of(job)
    except ValueError as error:
        return Fix(title=other, kind="upgrade", status="failed", reason=str(error))
    for release in releases:
        result, trouble = _audited(request, release, installer or Pip())
        if result is None or result.verdict.value != "compatible":
            failed.append(f"{release}: {result.summary if result else trouble}")
            continue
        transformers = result.environment.transformers
        return Fix(
            title=f"{'upgrade' if release > own else 'go back'} to {package} {release}",
            kind="upgrade",
            code=f"pip install '{package}=={release}' 'transformers=={transformers}'\n",
            status="verified",
            reason=f"audited with {package} {release} and transformers {transformers}, "
            "in an environment that was thrown away: compatible",
        )
    reason = "; ".join(failed) or "there is no other supported release"
    return Fix(title=other, kind="upgrade", status="failed", reason=reason)


def _audited(request: Request, release: Version, installer: Installer) -> tuple[AuditResult | None, str]:
    """The result of the audit there, or why there is none; the folder is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="adapter-audit-release-") as folder:
        try:
            install_release(installer, f"{request.package}=={release}", Path(folder))
        except NotInstallable as error:
            return None, f"cannot be installed here: {error}"
        return _run(request, folder)


def _run(request: Request, folder: str) -> tuple[AuditResult | None, str]:
    path = os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH", "")]))
    given = json.dumps({"spec": request.spec, "model": request.model})
    try:
        done = subprocess.run(
            [sys.executable, "-B", "-m", MODULE],
            input=given,
            env=os.environ | {"PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
            timeout=TIME_LIMIT,
        )
    except subprocess.TimeoutExpired:
        return None, f"the audit did not end within {TIME_LIMIT:g} seconds"
    try:
        return AuditResult.model_validate_json(done.stdout), ""
    except ValidationError:
        lines = done.stderr.strip().splitlines()
        return None, lines[-1] if lines else "the audit did not end well"
