"""Upgrades that are proven: other releases of the library, each in an environment beside the installed one.

A child process of that environment does the same audit.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.version import Version
from pydantic import ValidationError

from ...cache.store import cache_directory
from ...environments.change import release as released
from ...environments.installer import Installer, NotInstallable
from ...environments.installer import installer as chosen_installer
from ...environments.overlays import Overlays, overlays_in
from ...environments.process_in_overlay import Died, lines_of
from ...library.installed import release_of
from ...library.library import Library
from ...request.job import Job
from ...schema.result import AuditResult, Fix
from ..trial.trial_process import TIME_LIMIT, Request

MODULE = f"{__package__}.audit_in_environment"
CLOCK_LIMIT = 10 * TIME_LIMIT
"""Seconds on the clock; what an audit may compute is limited in its process, however busy the machine is."""


def other_releases(library: Library, installer: Installer | None = None) -> list[Version]:
    """Supported releases but the installed one, the nearest first and newer ones before older ones.

    Raises UsageError when the package index cannot be asked.
    """
    supported = SpecifierSet(library.releases[library.package])
    own = Version(release_of(library.package))
    versions = (installer or chosen_installer()).versions(library.package)
    others = [v for v in versions if v != own and supported.contains(v)]
    newer = sorted(v for v in others if v > own)
    return [*newer, *sorted((v for v in others if v < own), reverse=True)]


def release_fix(job: Job, releases: Iterable[Version], overlays: Overlays | None = None) -> Fix:
    """The nearest release whose audit is compatible; what speaks against each of them where none is."""
    package = job.library.package
    other = f"another release of {package}"
    own, failed = Version(release_of(package)), list[str]()
    try:
        request = Request.of(job)
    except ValueError as error:
        return Fix(title=other, kind="upgrade", status="failed", reason=str(error))
    directory = Path(job.options.environments) if job.options.environments else cache_directory()
    overlays = overlays or overlays_in(directory, chosen_installer())
    for release in releases:
        result, trouble = _audited(request, release, overlays)
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
            "in an environment beside the installed one: compatible",
        )
    reason = "; ".join(failed) or "there is no other supported release"
    return Fix(title=other, kind="upgrade", status="failed", reason=reason)


def _audited(request: Request, release: Version, overlays: Overlays) -> tuple[AuditResult | None, str]:
    """The result of the audit there, or why there is none."""
    given = json.dumps({"spec": request.spec, "model": request.model})
    try:
        overlay = overlays.overlay([released(request.package, release)])
        answer = "".join(lines_of(overlay, MODULE, given, time_limit=CLOCK_LIMIT))
        return AuditResult.model_validate_json(answer), ""
    except NotInstallable as error:
        return None, f"cannot be installed here: {error}"
    except Died as error:
        return None, str(error)
    except ValidationError:
        return None, "the audit did not end well"
