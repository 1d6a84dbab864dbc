"""AA208 cache-departs

## What it does
Decodes a few tokens with the cache and without it, and compares the scores of every step.

## Why is this bad
`generate` uses the cache: what it writes is not what the model with its adapters says.

## Example
`adapter-audit gpt2 --compose parallel:2 --mode generate`

## Fix
Use `use_cache=False` in `generate`, which is slower and right.
"""

from __future__ import annotations

from collections.abc import Iterator

from adapter_audit.auditor.facts.facts import Facts
from adapter_audit.auditor.probe.checks.cache_parity import CacheGap
from adapter_audit.auditor.schema.result import (
    Cause,
    Confidence,
    Finding,
    Invariant,
    Location,
    Severity,
    Verdict,
)

from ._support.values import off, place_of
from .base import AuditRule, Case


class CacheDeparts(AuditRule):
    """Cached decoding differs from full forwards."""

    id, name, invariant = "AA208", "cache-departs", Invariant.CACHE_PARITY
    severity, confidence, verdict = Severity.ERROR, Confidence.CONFIRMED, Verdict.WRONG
    requires = "probe"
    reads = (CacheGap,)
    cases = (
        Case(
            bad=True,
            code="generate",
            says="other scores than without it (off by",
            verdict=Verdict.WRONG,
            spec={
                "model": "adapter_audit.auditor.toys.broken:forgets_the_cache",
                "compose": "parallel:2",
                "mode": "generate",
            },
        ),
        Case(
            bad=False,
            spec={"model": "adapter_audit.auditor.toys:t5", "compose": "parallel:2", "mode": "generate"},
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        """The scores of some step differ."""
        for gap in facts.observations(CacheGap):
            yield self.finding(
                f"decoding with the cache gives other scores than without it ({off(gap.deviation)})",
                place_of(facts, gap) if gap.departure else Location(module="", op="generate"),
                cause=Cause.CACHE_DEPARTS,
            )
