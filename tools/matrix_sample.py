"""Audits a sample of the published matrix again: another one for every commit, the same one for one commit.

    python -m tools.matrix_sample docs/matrix/matrix.json [--size 8] [--commit HEAD]

Exit code 1, and the differences, where a verdict or a finding is another one than was published.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from adapter_audit.auditor import audit
from adapter_audit.auditor.errors import AuditError
from adapter_audit.auditor.library.find_library import library_named
from adapter_audit.auditor.library.installed import environment

Published = Mapping[str, Any]


def sample(audits: Sequence[Published], size: int, commit: str) -> list[Published]:
    """Some of the audits, picked by the commit."""
    return random.Random(commit).sample(list(audits), min(size, len(audits)))


def difference(published: Published) -> str:
    """How the audit differs now; empty where it does not."""
    spec = {"model": published["model"], "compose": published["compose"], "adapter": published["method"]}
    try:
        result = audit({**spec, "mode": published["mode"]}, offline=True)
        verdict = result.verdict.value
        found = sorted(f.fingerprint for f in result.findings if f.status == "open")
    except AuditError as error:
        verdict, found = ("refused" if published["verdict"] == "refused" else f"unknown: {error.line}"), []
    if (verdict.partition(":")[0], found) == (published["verdict"], published["fingerprints"]):
        return ""
    return f"{spec} {published['mode']}: published {published['verdict']}, now {verdict}"


def head() -> str:
    """The commit that is checked out."""
    done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def main() -> int:
    """Audit the sample and say what differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("matrix", type=Path)
    parser.add_argument("--size", type=int, default=8)
    parser.add_argument("--commit")
    options = parser.parse_args()
    published = json.loads(options.matrix.read_text("utf-8"))
    here = environment(library_named(None)).model_dump()
    if here["adapters"] != published["environment"]["adapters"]:
        print(f"published for adapters {published['environment']['adapters']}, here is {here['adapters']}")
        return 1
    commit = options.commit or head()
    differences = [
        text for one in sample(published["audits"], options.size, commit) if (text := difference(one))
    ]
    print("\n".join(differences) or f"{options.size} audits are as published (sample of {commit[:12]})")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
