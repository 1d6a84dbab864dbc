"""Whether a fix left nothing open, and a patch leaves alone what worked: every adapter by itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...schema.result import AuditResult, Finding, Invariant, Severity, Verdict

TOLERANCE = 1e-9
"""Largest difference, relative to the largest value: the same operations in double precision."""
ABOUT_ALONE = frozenset(
    {Invariant.INIT_PARITY, Invariant.ATTENTION_PARITY, Invariant.CACHE_PARITY, Invariant.PADDING}
)
"""Invariants that a model without, or with one, adapter breaks: a fix for them must change these runs."""
ABOUT_ADAPTERS = frozenset({Invariant.EFFECT, Invariant.PADDING})
"""Warnings about adapters as they were added and trained: no change of code brings them or takes them."""


def objections(findings: Iterable[Finding], *, strict: bool = True) -> list[Finding]:
    """Open findings that speak against a fix: all but notes; if not strict, nor warnings about adapters."""
    return [
        f
        for f in findings
        if f.status == "open"
        and f.severity is not Severity.NOTE
        and (strict or f.severity is Severity.ERROR or f.invariant not in ABOUT_ADAPTERS)
    ]


def is_clean(result: AuditResult, *, strict: bool = True) -> bool:
    """Compatible, and nothing open that speaks against it."""
    return result.verdict is Verdict.COMPATIBLE and not objections(result.findings, strict=strict)


def is_comparable(findings: Sequence[Finding]) -> bool:
    """Whether a fix of these findings must leave the runs without, or with one, adapter alone."""
    return not any(f.invariant in ABOUT_ALONE for f in findings)


def changed_alone(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """What differs, in words; empty when nothing does. Runs that failed before may do anything."""
    if not before:
        return "the adapters alone could not be run on the installed library"
    for name, outputs in before.items():
        if isinstance(outputs, str):
            continue
        who = f"{name} alone" if name else "the model without adapters"
        now = after.get(name)
        if not isinstance(now, Mapping):
            return f"{who} stops with the patch: {now}"
        for output, value in outputs.items():
            if output not in now or _differ(value, now[output]):
                return f"{who} gives another {output} with the patch"
    return ""


def _differ(one: Any, other: Any) -> bool:
    import numpy as np

    if one.shape != other.shape:
        return True
    both = np.isfinite(one) & np.isfinite(other)
    if not np.array_equal(np.isfinite(one), np.isfinite(other)):
        return True
    scale = float(np.abs(one[both]).max()) if both.any() else 0.0
    gap = float(np.abs(one[both] - other[both]).max()) if both.any() else 0.0
    return gap > TOLERANCE * max(scale, 1e-12)
