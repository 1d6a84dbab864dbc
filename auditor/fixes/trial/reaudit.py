"""What a trial's child does: audit the patched library, probe other sizes, run every adapter alone.

It runs with freshly imported libraries; everything in and out is plain data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ...assess.conclude import conclude, run_rules
from ...assess.gather import Timer, gather
from ...facts.facts import Axes, Facts
from ...request.model_source import ModelSource, resolve
from ...schema.audit_options import AuditOptions
from ...schema.composition import adapter_names, lane_count
from ...schema.result import AuditResult
from ...schema.spec import AuditSpec
from ...source.parsed_module import Sources
from ..patch.family import proposals
from .judgement import is_clean, objections
from .trial_process import Request


def answer(request: Request) -> dict[str, Any]:
    """Everything that was asked for. Raises AuditError when the model cannot be built."""
    spec, source = AuditSpec.read(dict(request.spec)), source_of(request.model)
    told: dict[str, Any] = {
        "result": "",
        "proposals": {},
        "others": {},
        "broken": [],
        "alone": {},
        "merging": "",
    }
    clean = True
    if request.ways:
        from ..setup import library_variants as ways

        ways.use(request.ways)
    if request.audit:
        facts, result = facts_and_result(spec, source)
        clean = is_clean(result, strict=request.strict)
        told["result"] = result.model_dump_json(exclude={"graph"})
        told["proposals"] = _proposals(facts, result) if request.propose and not clean else {}
    if clean:
        for other in request.also:
            told["others"][str(other)], broken = _probe_trouble(AuditSpec.read(dict(other)), source)
            told["broken"] += broken
        if request.alone:
            told["alone"] = outputs_alone(spec, source)
        if request.merges and not any(told["others"].values()):
            told["merging"] = _merging_trouble(AuditSpec.read(dict(request.merges)), source)
    return told


def _merging_trouble(spec: AuditSpec, source: ModelSource) -> str:
    import torch

    from ..setup import merged_adapters as merging

    torch.manual_seed(0)
    try:
        return merging.trouble(spec, source)
    except Exception as error:  # the library may refuse to merge in any way: then it is no remedy
        return f"{type(error).__name__}: {error}"


def facts_and_result(spec: AuditSpec, source: ModelSource) -> tuple[Facts, AuditResult]:
    """One audit, static and probe, with the facts that families read."""
    timer = Timer()
    _, facts = gather(spec, source, AuditOptions(), timer)
    return facts, conclude(spec, facts, AuditOptions(), timer, ())


def source_of(model: Mapping[str, Any]) -> ModelSource:
    """The model of a request."""
    if model["config"] is None:
        return resolve(str(model["name"]))
    return ModelSource(str(model["name"]), str(model["origin"]), config=model["config"])


def _proposals(facts: Facts, result: AuditResult) -> dict[int, list[dict[str, Any]]]:
    sources = Sources()
    found = {n: proposals(facts, f, sources) for n, f in enumerate(result.findings) if f.status == "open"}
    return {n: [asdict(edit) for edit in edits] for n, edits in found.items() if edits}


def _probe_trouble(spec: AuditSpec, source: ModelSource) -> tuple[str, list[str]]:
    """What the probe has against another configuration, and the invariants that it breaks; empty for none."""
    from ...probe import Probe

    probed = Probe.start(spec, source).wait(None)
    if probed.death is not None:
        return str(probed.death), []
    if probed.failure is not None:
        return f"{probed.failure.kind}: {probed.failure.message}", []
    tree = spec.composition()
    axes = Axes(lane_count(tree), spec.rows(), spec.tokens(), 0)
    facts = Facts(tree=tree, axes=axes, names=adapter_names(tree), mode=spec.mode, probe=probed)
    findings, _ = run_rules(facts, AuditOptions())
    against = objections(findings, strict=False)
    return "; ".join(f"{f.rule}: {f.message}" for f in against), [f.invariant.value for f in against]


def outputs_alone(spec: AuditSpec, source: ModelSource) -> dict[str, Any]:
    """Outputs of the small model without and with each adapter alone; a failure's kind where it stops."""
    import torch

    from ...probe.bench import Bench

    torch.manual_seed(0)  # what the library initialises by chance must be alike with and without the patch
    bench = Bench(spec, source)
    return {name or "": _output(bench.run(name)) for name in (None, *bench.names)}


def _output(ran: Any) -> Any:
    if ran.failure is not None:
        return str(ran.failure.kind)
    return {name: value.cpu().numpy() for name, value in ran.outputs.items()}
