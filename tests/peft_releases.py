"""Audits with releases of peft, for tests: each in a process of its own that finds a release's folder first.

`make test` puts the folders below the environment's `releases`; ADAPTER_AUDIT_PEFT_RELEASES names another
place (see oracle_peft/ENVIRONMENTS.md).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from library_releases import environment_with

from adapter_audit.auditor.schema.result import AuditResult

PLACE = Path(os.environ.get("ADAPTER_AUDIT_PEFT_RELEASES", Path(sys.prefix) / "releases"))
FOLDERS = {folder.name.removeprefix("peft-"): folder for folder in sorted(PLACE.glob("peft-*"))}
MISSING = f"no folder peft-RELEASE in {PLACE}: make test installs them"
HANGS = 1800
"""Seconds after which a process hangs, on a machine that does much else, too."""
COMMAND = (sys.executable, "-m", "adapter_audit.auditor.cli")


def environment_of(release: str) -> dict[str, str]:
    """The environment of a process that imports this release. Fails where it is not there."""
    assert release in FOLDERS, MISSING
    return environment_with(FOLDERS[release], OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1")


def audited(release: str, specs: Sequence[Mapping[str, object]]) -> list[AuditResult]:
    """Results of audits with a release, in the order of the specs."""
    return [AuditResult.model_validate_json(text) for text in _lines(release, json.dumps(list(specs)))]


@cache
def _lines(release: str, specs: str) -> tuple[str, ...]:
    lines = "\n".join(json.dumps(spec) for spec in json.loads(specs))
    done = subprocess.run(
        [*COMMAND, "batch", "/dev/stdin", "--no-cache", "--offline", "-q"],
        input=lines,
        env=environment_of(release),
        capture_output=True,
        text=True,
        timeout=HANGS,
        check=False,
    )
    assert done.stdout, done.stderr
    return tuple(done.stdout.splitlines())


def command(release: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line with a release."""
    return subprocess.run(
        [*COMMAND, *arguments],
        env=environment_of(release),
        capture_output=True,
        text=True,
        timeout=HANGS,
        check=False,
    )


def python(release: str, code: str) -> str:
    """What a piece of Python prints with a release."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment_of(release),
        capture_output=True,
        text=True,
        timeout=HANGS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
