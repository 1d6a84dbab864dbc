"""What a bisection found: where in a row of releases or commits a verdict changes."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from .result import AuditResult
from .verdicts import Verdict

SCHEMA_VERSION = 1


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Trial(_Model):
    """One release or commit that was tried."""

    label: str
    verdict: Verdict | None = None
    """None where it could not be audited at all."""
    trouble: str = ""
    """Why it tells nothing."""


class Bisection(_Model):
    """The step from the last one of one kind to the first one of the other."""

    schema_version: int = SCHEMA_VERSION
    package: str
    change: Literal["came", "went"] | None = None
    """What the finding did; None when no two of those that were tried differ."""
    last: str = ""
    """The last release or commit before the change."""
    first: str = ""
    """The first one after it."""
    before: AuditResult | None = None
    after: AuditResult | None = None
    between: tuple[str, ...] = ()
    """Releases or commits between the two that tell nothing."""
    trials: tuple[Trial, ...] = ()
    """In the order in which they were tried."""
