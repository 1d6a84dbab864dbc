"""What fails a run: the least severity of a finding, and whether an open question does."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import ExitCode, UsageError
from ..schema.result import AuditResult, Severity

_UNKNOWN = r"unknown(=\d{1,3})?"
PATTERN = rf"^(error|warning|note|never|{_UNKNOWN})(,{_UNKNOWN})?$"
"""`error`, `warning,unknown=5`, `unknown`."""
LARGEST = 255


@dataclass(frozen=True)
class FailOn:
    """`limit` is the least rank that fails (None: none does), `unknown` the exit code of that verdict."""

    limit: int | None
    unknown: int

    @classmethod
    def read(cls, text: str) -> FailOn:
        """Raises UsageError. `unknown` alone is beside `error`; without it, `unknown` counts as a warning."""
        found = [part.partition("=") for part in text.split(",")] if re.match(PATTERN, text) else []
        codes = [int(code or ExitCode.FINDINGS) for name, _, code in found if name == "unknown"]
        if not found or len(codes) > 1 or max(codes, default=0) > LARGEST:
            raise UsageError(
                f"--fail-on {text!r} says nothing",
                do="write error, warning, note or never, and unknown or unknown=CODE behind a comma",
            )
        name = found[0][0] if found[0][0] != "unknown" else Severity.ERROR.value
        limit = None if name == "never" else Severity(name).rank
        as_warning = limit is not None and limit <= Severity.WARNING.rank
        return cls(limit, codes[0] if codes else int(ExitCode.FINDINGS) * as_warning)

    def code(self, result: AuditResult) -> int:
        """The exit code of one result: that of findings comes before that of `unknown`."""
        worst = result.worst()
        if self.limit is not None and worst is not None and worst.rank >= self.limit:
            return int(ExitCode.FINDINGS)
        return self.unknown if result.verdict.value == "unknown" else int(ExitCode.CLEAN)


def worse(one: int, other: int) -> int:
    """The exit code of two results together: findings first, then whatever is not clean."""
    findings = int(ExitCode.FINDINGS)
    return findings if findings in (one, other) else max(one, other)
