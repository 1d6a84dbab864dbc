"""Holds a rule to what its case says: place, words, severity, and that nothing else is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from adapter_audit.auditor.schema.result import Finding
from adapter_audit.auditor.schema.verdicts import Severity, Verdict

from ..base import Case
from ..source_rule import Flaw


class _Told(Protocol):
    """What findings and flaws have in common."""

    @property
    def rule(self) -> str: ...
    @property
    def severity(self) -> Severity: ...
    @property
    def message(self) -> str: ...


def audit_objections(rule: str, case: Case, findings: Sequence[Finding]) -> list[str]:
    """What the open findings of the case's audit should be and are not; empty when all is well."""
    opened = [f for f in findings if f.status == "open"]
    own = [f for f in opened if f.rule == rule]
    return [
        *_common(rule, case, own, opened),
        *(_located(case, own[0]) if case.bad and own else ()),
        *(_fits("verdict", case.verdict, own[0].verdict) if case.bad and own else ()),
    ]


def source_objections(rule: str, case: Case, flaws: Sequence[Flaw]) -> list[str]:
    """What the flaws of all source rules in the case's text should be and are not."""
    own = [f for f in flaws if f.rule == rule]
    wrong = list(_common(rule, case, own, flaws))
    if case.bad and own and (not case.code or case.code not in own[0].code):
        wrong.append(f"code is {own[0].code!r}, not {case.code!r}")
    return wrong


def _common(rule: str, case: Case, own: Sequence[_Told], told: Sequence[_Told]) -> Iterator[str]:
    yield from _fits("number of findings", case.times if case.bad else 0, len(own))
    others = {f.rule for f in told if f.rule != rule and f.severity is not Severity.NOTE}
    yield from _fits("other rules", sorted(case.also), sorted(others))
    if case.bad and own:
        yield from _fits("severity", case.severity, own[0].severity)
        if not case.says or case.says not in own[0].message:
            yield f"message is {own[0].message!r}, without {case.says!r}"


def _located(case: Case, finding: Finding) -> Iterator[str]:
    primary = finding.primary
    is_at = primary.module == case.place or (case.place and (primary.file or "").endswith(case.place))
    if not is_at or (not case.place and primary.file):
        yield f"place is {primary.module!r} in {primary.file}, not {case.place!r}"
    code = primary.code or primary.op
    if not case.code or case.code not in code:
        yield f"code is {code!r}, not {case.code!r}"


def _fits(what: str, expected: object, found: object) -> Iterator[str]:
    if expected != found:
        yield f"{what}: {_shown(found)}, not {_shown(expected)}"


def _shown(value: object) -> str:
    return value.value if isinstance(value, (Severity, Verdict)) else str(value)
