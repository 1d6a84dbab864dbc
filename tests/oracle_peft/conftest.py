"""The releases of peft that the oracle is tried with."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest


def _folders() -> dict[str, Path]:
    """Folders `peft-VERSION` below ADAPTER_AUDIT_PEFT_RELEASES, or `releases` of the environment."""
    place = Path(os.environ.get("ADAPTER_AUDIT_PEFT_RELEASES", Path(sys.prefix) / "releases"))
    return {f.name.removeprefix("peft-"): f for f in sorted(place.glob("peft-*"))}


@pytest.fixture(scope="session")
def releases() -> dict[str, Path]:
    """Folder of every release by its version; a missing one fails what asks for it."""
    found = _folders()
    if not found:
        pytest.fail("no folder peft-VERSION: install them as tests/oracle_peft/ENVIRONMENTS.md says")
    return found
