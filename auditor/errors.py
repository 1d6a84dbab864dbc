"""The one exception family of the auditor: every member knows its exit code and says what to do."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Process exit codes (fixed by the command-line contract)."""

    CLEAN = 0
    FINDINGS = 1
    USAGE = 2
    CANNOT_BUILD = 3
    INTERNAL = 4


class AuditError(Exception):
    """Root of all expected failures.

    `what` happened, `why`, and what to `do` about it are joined into one line for the user.
    """

    exit_code: ExitCode = ExitCode.INTERNAL

    def __init__(self, what: str, *, why: str = "", do: str = "") -> None:
        self.what, self.why, self.do = what, why, do
        super().__init__(self.line)

    @property
    def line(self) -> str:
        """The one line shown to the user, without line breaks."""
        text = self.what
        if self.why:
            text += f": {self.why}"
        if self.do:
            text += f"; {self.do}"
        return " ".join(text.split())


class UsageError(AuditError):
    """The request itself is wrong (a bad option, expression, name or value)."""

    exit_code = ExitCode.USAGE


class LibraryRefusal(UsageError):
    """The adapter library itself does not know what was asked for (in `batch` a `refused` verdict)."""


class BuildError(AuditError):
    """The request is well-formed but the model could not be built or traced."""

    exit_code = ExitCode.CANNOT_BUILD
