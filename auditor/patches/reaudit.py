"""What a trial's child does: audit the patched library, probe other sizes, run every adapter alone.

It runs with freshly imported libraries; everything in and out is plain data.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from ..facts import Facts
from ..models import ModelSource, resolve
from ..pipeline import AuditOptions, Timer, conclude, gather
from ..result import AuditResult, Severity, Verdict
from ..spec import AuditSpec
from .base import proposals
from .source import Sources


def answer(
    spec_data: Mapping[str, Any],
    model: Mapping[str, Any],
    also: Iterable[Mapping[str, Any]],
    *,
    audit: bool,
    alone: bool,
) -> dict[str, Any]:
    """Everything that was asked for. Raises AuditError when the model cannot be built."""
    spec, source = AuditSpec.read(dict(spec_data)), _source(model)
    told: dict[str, Any] = {"result": "", "proposals": {}, "others": {}, "alone": {}}
    clean = True
    if audit:
        facts, result = facts_and_result(spec, source)
        clean = is_clean(result)
        told["result"] = result.model_dump_json(exclude={"graph"})
        told["proposals"] = {} if clean else _proposals(facts, result)
    if clean:
        for other in also:
            told["others"][str(other)] = _probe_trouble(AuditSpec.read(dict(other)), source)
        if alone:
            told["alone"] = outputs_alone(spec, source)
    return told


def is_clean(result: AuditResult) -> bool:
    """Compatible, and nothing open but notes."""
    open_findings = [f for f in result.findings if f.status == "open" and f.severity is not Severity.NOTE]
    return result.verdict is Verdict.COMPATIBLE and not open_findings


def facts_and_result(spec: AuditSpec, source: ModelSource) -> tuple[Facts, AuditResult]:
    """One audit, static and probe, with the facts that families read."""
    timer = Timer()
    _, facts = gather(spec, source, AuditOptions(), timer)
    return facts, conclude(spec, facts, AuditOptions(), timer, ())


def _source(model: Mapping[str, Any]) -> ModelSource:
    if model["config"] is None:
        return resolve(str(model["name"]))
    return ModelSource(str(model["name"]), str(model["origin"]), config=model["config"])


def _proposals(facts: Facts, result: AuditResult) -> dict[int, list[dict[str, Any]]]:
    sources = Sources()
    found = {n: proposals(facts, f, sources) for n, f in enumerate(result.findings) if f.status == "open"}
    return {n: [asdict(edit) for edit in edits] for n, edits in found.items() if edits}


def _probe_trouble(spec: AuditSpec, source: ModelSource) -> str:
    """What the probe has against another configuration; empty when nothing."""
    from ..probe import Probe

    facts = Probe.start(spec, source).wait(None)
    if facts.died:
        return facts.died
    if facts.failure is not None:
        return f"{facts.failure.kind}: {facts.failure.message}"
    return "; ".join(f"{d.check}: {d.subject}" for d in facts.discrepancies)


def outputs_alone(spec: AuditSpec, source: ModelSource) -> dict[str, Any]:
    """Outputs of the small model without and with each adapter alone; a failure's kind where it stops."""
    import torch

    from ..probe.bench import Bench

    torch.manual_seed(0)  # what the library initialises by chance must be alike with and without the patch
    bench = Bench(spec, source)
    return {name or "": _output(bench.run(name)) for name in (None, *bench.names)}


def _output(ran: Any) -> Any:
    if ran.failure is not None:
        return str(ran.failure.kind)
    return {name: value.cpu().numpy() for name, value in ran.outputs.items()}
