"""Remedies that hold for every composition of a kind, with the Python to paste."""

from __future__ import annotations

from adapter_audit.auditor.facts.facts import Facts
from adapter_audit.auditor.probe.checks.attention_parity import AttentionGap
from adapter_audit.auditor.probe.checks.block_neutrality import RelationGap
from adapter_audit.auditor.probe.checks.cache_parity import CacheGap
from adapter_audit.auditor.probe.checks.init_parity import InitChange
from adapter_audit.auditor.probe.checks.split_parts import SplitGap
from adapter_audit.auditor.schema.composition import DIVIDED, walk
from adapter_audit.auditor.schema.references import references
from adapter_audit.auditor.schema.result import Fix

ABOUT_ALONE = (InitChange, CacheGap, AttentionGap, RelationGap, SplitGap)
"""Evidence about adapters or blocks by themselves, or the model without any."""


def one_by_one(facts: Facts) -> tuple[Fix, ...]:
    """Instead of a Parallel, a BatchSplit or a mixed batch: every lane or part alone, for the same rows.

    Empty for other compositions, and where an adapter alone stops, too. It is verified when the probe ran
    each of them to its end and found nothing wrong with it.
    """
    divided = {b.kind for b in walk(facts.tree)} & {"parallel", *DIVIDED}
    if not divided or "multitask" in divided:
        return ()
    parts = references(facts.tree, facts.axes.rows)
    probe = facts.probe
    if len(parts) < 2 or (probe is not None and probe.reference_failures):
        return ()
    whole = all(len(part.rows) == facts.axes.rows for part in parts)
    ran = probe is not None and probe.death is None and not _wrong_alone(facts)
    code = facts.library.one_after_the_other(parts, whole=whole)
    return (
        Fix(
            title="run the adapters one after the other, for the same rows",
            kind="setup-change",
            code=code,
            status="verified" if ran else "unverified",
            reason="each was run alone on the small model" if ran else "nothing was run",
        ),
    )


def _wrong_alone(facts: Facts) -> bool:
    return any(True for _ in facts.observations(*ABOUT_ALONE))
