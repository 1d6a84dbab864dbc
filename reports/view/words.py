"""The plain words, order and tones that all reports share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from adapter_audit.auditor.schema.result import (
    AuditResult,
    Confidence,
    Finding,
    Fix,
    Location,
    Severity,
    Verdict,
)

from .prepare import shorten

Tone = Literal["good", "note", "warning", "bad", "unknown"]

TONE: dict[Verdict, Tone] = {
    Verdict.COMPATIBLE: "good",
    Verdict.NO_EFFECT: "warning",
    Verdict.WRONG: "bad",
    Verdict.CRASH: "bad",
    Verdict.ABORT: "bad",
    Verdict.REFUSED: "note",
    Verdict.UNKNOWN: "unknown",
}
SENTENCE: dict[Verdict, str] = {
    Verdict.COMPATIBLE: "Every adapter does its own work, as it would alone.",
    Verdict.NO_EFFECT: "It runs, but an adapter that is active changes nothing.",
    Verdict.WRONG: "It runs, but the results are not those of the adapters.",
    Verdict.CRASH: "It stops with an error.",
    Verdict.ABORT: "The Python process would die.",
    Verdict.REFUSED: "The library refuses this on purpose.",
    Verdict.UNKNOWN: "It could not be decided whether this works.",
}
CONFIDENCE: dict[Confidence, str] = {
    Confidence.CONFIRMED: "confirmed by running it",
    Confidence.CERTAIN: "certain without running it",
    Confidence.LIKELY: "likely, not proven",
}
ROLE: dict[str, str] = {
    "expanded-at": "expanded here",
    "operand-origin": "made here, not expanded",
    "symptom": "shows here",
    "raised-at": "raised here",
    "reference": "as it should be",
    "also-at": "also here",
}
FIX_KIND: dict[str, str] = {
    "library-patch": "patch of the library",
    "setup-change": "change of your set-up",
    "upgrade": "another release",
}


def fix_kind(fix: Fix) -> str:
    """What a fix is, and for a known one where it is told what it mends."""
    kind = FIX_KIND[fix.kind]
    return f"known {kind}, see {fix.reference}" if fix.origin == "known" else kind


@dataclass(frozen=True)
class Subject:
    """What was audited, in the words of the request."""

    model: str
    compose: str
    method: str
    extras: tuple[tuple[str, str], ...]
    """Options that are not at their default, e.g. `("mask", "right")`."""

    @property
    def line(self) -> str:
        """All of it on one line."""
        return " · ".join((self.model, self.compose, self.method, *(f"{k}={v}" for k, v in self.extras)))


_DEFAULTS: tuple[object, ...] = (None, "", "none", "forward", False, [], (), {})


def subject(result: AuditResult) -> Subject:
    """Model, composition and method of a result, whatever its spec left out."""
    spec = result.spec
    named = {"id", "model", "compose", "adapter", "adapters"}
    extras = tuple(
        (key, _value(value)) for key, value in spec.items() if key not in named and value not in _DEFAULTS
    )
    return Subject(
        model=str(spec.get("model") or "model in hand"),
        compose=str(spec.get("compose") or "active set-up"),
        method=_method(spec),
        extras=extras,
    )


def _value(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{name}: {each}" for name, each in value.items())
    return "yes" if value is True else str(value)


def _method(spec: dict[str, object]) -> str:
    adapters = spec.get("adapters")
    if not isinstance(adapters, dict) or not adapters:
        return str(spec.get("adapter") or "lora")
    values = {str(value) for value in adapters.values()}
    if len(values) == 1:
        return values.pop()
    return ", ".join(f"{name}={config}" for name, config in adapters.items())


def summary(result: AuditResult) -> str:
    """One sentence in plain words."""
    return result.summary or SENTENCE[result.verdict]


def open_findings(result: AuditResult) -> list[Finding]:
    """Findings that count, the worst first; equal ones stay in their order."""
    found = [f for f in result.findings if f.status == "open"]
    return sorted(found, key=lambda f: (-f.severity.rank, -list(Confidence).index(f.confidence)))


def hidden_findings(result: AuditResult) -> list[Finding]:
    """Findings that were ignored or are in the baseline: counted, never dropped."""
    return [f for f in result.findings if f.status != "open"]


def ordered_fixes(finding: Finding) -> list[Fix]:
    """Verified fixes first, failed ones last."""
    order = ("verified", "unverified", "failed")
    return sorted(finding.fixes, key=lambda fix: order.index(fix.status))


def place(location: Location) -> str:
    """`file:line`, or what is known of it; empty when nothing is."""
    if not location.file:
        return ""
    return f"{location.file}:{location.line}" if location.line else location.file


def shape(location: Location) -> str:
    """The location's shape in numbers and, where they are known, named axes."""
    numbers = str(list(location.shape)) if location.shape is not None else ""
    if numbers and location.axes and location.axes != numbers:
        return f"{numbers} = {location.axes}"
    return numbers or location.axes


def count(number: int, noun: str) -> str:
    """`1 finding`, `2 findings`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def tally(findings: Iterable[Finding]) -> str:
    """`2 errors, 1 warning`; `no findings` when there are none."""
    found = list(findings)
    parts = [
        count(number, severity.value)
        for severity in reversed(Severity)
        if (number := sum(f.severity is severity for f in found))
    ]
    return ", ".join(parts) or "no findings"


def percent(share: float) -> str:
    """A share of 0..1 without claiming 100 % for anything less."""
    value = share * 100
    return f"{min(value, 99.9):.1f} %" if 99 < value < 100 else f"{value:.0f} %"


def coverage_line(result: AuditResult) -> str:
    """How much was seen and understood."""
    cover = result.coverage
    if not cover.ops:
        return "no op was recorded"
    return (
        f"{count(cover.ops, 'op')}, {percent(cover.aligned)} with a twin, "
        f"lanes known for {percent(cover.known)}, {cover.unknown} undecided"
    )


def seconds_line(result: AuditResult) -> str:
    """Wall seconds, by stage."""
    stages = {name: value for name, value in result.seconds.model_dump().items() if value}
    if not stages:
        return ""
    parts = ", ".join(f"{name} {value:.2f}" for name, value in stages.items())
    return f"{sum(stages.values()):.2f} s ({parts})"


def versions_line(result: AuditResult) -> str:
    """`adapters 1.3.0, torch 2.6`: the versions that are known."""
    return ", ".join(f"{name} {value}" for name, value in result.environment.model_dump().items() if value)


def axes_line(result: AuditResult) -> str:
    """`N = 5, B = 3`."""
    return ", ".join(f"{name} = {size}" for name, size in result.axes.items())


_NUMBER = re.compile(r"(?<=\.)\d+(?=\.|$)")


def fold_modules(modules: Sequence[str]) -> list[str]:
    """Module paths with runs of layer numbers folded: `encoder.block.1-11.layer.0`.

    Only the first number of a path that varies is folded, which is the layer in all known models.
    """
    groups: dict[tuple[str, str], list[int]] = {}
    loose: dict[str, None] = {}
    for module in modules:
        match = _NUMBER.search(module)
        if match is None:
            loose.setdefault(module)
        else:
            groups.setdefault((module[: match.start()], module[match.end() :]), []).append(int(match[0]))
    folded = [f"{before}{ranges(numbers)}{after}" for (before, after), numbers in groups.items()]
    return folded + list(loose)


def ranges(numbers: Iterable[int]) -> str:
    """`0,2-5,7` for a set of numbers."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def headline(result: AuditResult, limit: int = 160) -> str:
    """What was audited, cut to `limit` characters."""
    return shorten(subject(result).line, limit)
