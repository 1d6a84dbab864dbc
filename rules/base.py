"""What a rule is. A rule reads frozen facts and yields findings: no torch, no I/O, no state.

A rule's file is all there is to it: id, name, severity, what it needs, a docstring that is its
documentation page, and its good and bad cases (`Case`), which the tests run.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from adapter_audit.auditor.schema.verdicts import Cause, Confidence, Invariant, Severity, Verdict

if TYPE_CHECKING:
    from adapter_audit.auditor.facts.facts import Facts
    from adapter_audit.auditor.facts.observations import Observation
    from adapter_audit.auditor.facts.saved_facts import SavedFacts
    from adapter_audit.auditor.schema.result import Evidence, Finding, Fix, Location, Related

Fidelity = Literal["config", "meta", "probe", "source", "saved"]
HEADINGS = ("What it does", "Why is this bad", "Example", "Fix")
DOCS_URL = "https://adapter-audit.readthedocs.io/en/latest/rules/"


@dataclass(frozen=True)
class Case:
    """One small audit that shows the rule: `bad` must report it, otherwise it must stay silent.

    `spec` is the spec of an audit for audit rules (its model may be a `package.module:function`), `source`
    the Python text for source rules, and `saved` the facts for rules about saved adapters. What a bad case
    says about the finding is held to the letter, and so is that no other rule reports an error or a warning
    (`_support.case_check`).
    """

    bad: bool
    spec: Mapping[str, object] = field(default_factory=dict)
    source: str = ""
    saved: SavedFacts | None = None
    release: str = ""
    """A PEP 440 range of the spec's library in which the case holds; empty for all."""
    place: str = ""
    """Module path or end of the file name of the primary location; empty where it has neither."""
    code: str = ""
    """Part of the code there; its op where there is no code."""
    says: str = ""
    """Part of the message."""
    severity: Severity = Severity.ERROR
    verdict: Verdict = Verdict.COMPATIBLE
    """What the finding alone makes of the verdict."""
    times: int = 1
    """So many findings; what is said above is said of the first."""
    also: tuple[str, ...] = ()
    """Ids of all other rules that report an error or a warning."""

    @property
    def library(self) -> str | None:
        """The adapter library that it is audited with; None for the usual one."""
        named = self.spec.get("library")
        return None if named is None else str(named)


class Rule:
    """Base of every rule; subclasses set the class attributes and implement one `check...` method."""

    id: ClassVar[str]
    name: ClassVar[str]
    invariant: ClassVar[Invariant]
    severity: ClassVar[Severity] = Severity.ERROR
    confidence: ClassVar[Confidence] = Confidence.CERTAIN
    verdict: ClassVar[Verdict] = Verdict.COMPATIBLE
    """What a finding of this rule makes of the verdict, unless the finding says otherwise."""
    requires: ClassVar[Fidelity]
    cases: ClassVar[Sequence[Case]] = ()

    @classmethod
    def documentation(cls) -> str:
        """The rule's page: the docstring of its file."""
        return inspect.cleandoc(inspect.getmodule(cls).__doc__ or "")

    @classmethod
    def title(cls) -> str:
        """`AA101 expanded-meets-shared`."""
        return f"{cls.id} {cls.name}"

    def finding(  # noqa: PLR0913 - keyword-only fields of one value
        self,
        message: str,
        primary: Location,
        *,
        cause: Cause | None = None,
        axis: str = "",
        related: Sequence[Related] = (),
        evidence: Sequence[Evidence] = (),
        lanes: Sequence[int] = (),
        shapes: Mapping[str, str] | None = None,
        modules: Sequence[str] = (),
        fixes: Sequence[Fix] = (),
        severity: Severity | None = None,
        confidence: Confidence | None = None,
        verdict: Verdict | None = None,
    ) -> Finding:
        """A finding with this rule's metadata filled in.

        Raises ValueError for an error that leaves the verdict compatible.
        """
        from adapter_audit.auditor.schema.result import Finding, fingerprint

        severity, verdict = severity or self.severity, verdict or self.verdict
        if severity is Severity.ERROR and verdict is Verdict.COMPATIBLE:
            raise ValueError(f"{self.id}: an error that leaves the verdict compatible")
        return Finding(
            rule=self.id,
            name=self.name,
            invariant=self.invariant,
            cause=cause,
            severity=severity,
            confidence=confidence or self.confidence,
            verdict=verdict,
            message=message,
            primary=primary,
            related=tuple(related),
            evidence=tuple(evidence),
            lanes=tuple(lanes),
            shapes=dict(shapes or {}),
            modules=tuple(modules),
            fixes=tuple(fixes),
            fingerprint=fingerprint(self.id, primary.module, primary.op, axis),
        )


class AuditRule(Rule):
    """A rule over the facts of one audit (configuration, shape traces, probe)."""

    reads: ClassVar[tuple[type[Observation], ...]] = ()
    """The evidence of the probe's checks that it judges."""

    def __init_subclass__(cls) -> None:
        """Raises TypeError for an error that would leave the verdict compatible."""
        super().__init_subclass__()
        if cls.severity is Severity.ERROR and cls.verdict is Verdict.COMPATIBLE:
            raise TypeError(f"{cls.__name__} is an error: say what it makes of the verdict")

    def check(self, facts: Facts) -> Iterator[Finding]:
        """Yield what is wrong; called only when the facts that `requires` names are there."""
        raise NotImplementedError
