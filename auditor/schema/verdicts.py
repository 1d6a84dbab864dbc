"""Verdict, severity and confidence: the words of every report (docs/usage.md), without pydantic."""

from __future__ import annotations

from enum import Enum


class Verdict(str, Enum):
    """Outcome of an audit, from best to worst; the worst of all findings wins."""

    COMPATIBLE = "compatible"
    NO_EFFECT = "no-effect"
    WRONG = "wrong"
    CRASH = "crash"
    ABORT = "abort"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Severity(str, Enum):
    """How bad a finding is."""

    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"

    @property
    def rank(self) -> int:
        """0 for a note, 2 for an error."""
        return list(Severity).index(self)


class Confidence(str, Enum):
    """How a finding is known: seen by execution, following from shapes, or likely."""

    LIKELY = "likely"
    CERTAIN = "certain"
    CONFIRMED = "confirmed"
