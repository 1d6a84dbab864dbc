"""What a source rule is: it reads one parsed Python file and yields flaws. No torch, nothing executed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from adapter_audit.auditor.schema.verdicts import Confidence, Invariant, Severity, Verdict
from adapter_audit.auditor.source.parsed_module import Edit

from .base import Fidelity, Rule

if TYPE_CHECKING:
    from adapter_audit.auditor.lint.source_file import SourceFile

__all__ = ["Confidence", "Edit", "Flaw", "Severity", "SourceRule", "Verdict"]


@dataclass(frozen=True)
class Flaw:
    """One place that a source rule reports; `edits` together are its fix, when it has a safe one."""

    rule: str
    name: str
    severity: Severity
    message: str
    line: int
    column: int
    """From 1, in characters."""
    code: str = ""
    edits: tuple[Edit, ...] = ()
    latent: str = ""
    """Why this cannot go wrong today; such flaws are counted but not reported by default."""

    @property
    def fixable(self) -> bool:
        """It has a safe fix."""
        return bool(self.edits)


class SourceRule(Rule):
    """Base of the rules that read Python source."""

    invariant: ClassVar[Invariant] = Invariant.SOURCE
    requires: ClassVar[Fidelity] = "source"

    def check(self, source: SourceFile) -> Iterator[Flaw]:
        """Yield what is wrong with the file; what cannot be decided goes to `source.unchecked`."""
        raise NotImplementedError

    def flaw(
        self,
        source: SourceFile,
        position: tuple[int, int],
        message: str,
        *,
        edits: Sequence[Edit] = (),
        severity: Severity | None = None,
        latent: str = "",
    ) -> Flaw:
        """A flaw at (line from 1, column in UTF-8 bytes from 0) with this rule's metadata filled in."""
        line, column = position
        text = source.lines[line - 1] if line <= len(source.lines) else ""
        characters = len(text.encode()[:column].decode(errors="ignore"))
        return Flaw(
            rule=self.id,
            name=self.name,
            severity=severity or self.severity,
            message=message,
            line=line,
            column=characters + 1,
            code=text.strip(),
            edits=tuple(edits),
            latent=latent,
        )
