"""What a trial's child does: audit the patched library, probe other sizes, run every adapter alone.

It runs with freshly imported libraries; everything in and out is plain data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ...assess.conclude import conclude, run_rules
from ...assess.gather import Timer, gather
from ...facts.facts import Axes, Facts
from ...library.find_library import library_named
from ...request.job import Job
from ...request.model_source import ModelSource, resolve
from ...schema.audit_options import AuditOptions
from ...schema.result import AuditResult
from ...schema.spec import AuditSpec
from ...source.parsed_module import Sources
from ..patch.family import proposals
from ..setup.library_variants import variant
from .judgement import is_clean, objections
from .trial_process import Request


def answer(request: Request) -> dict[str, Any]:
    """Everything that was asked for. Raises AuditError when the model cannot be built."""
    job = job_of(request.spec, request.model, request.variants)
    reply: dict[str, Any] = {
        "result": "",
        "proposals": {},
        "others": {},
        "broken": [],
        "alone": {},
        "merging": "",
    }
    clean = True
    if request.audit:
        facts, result = facts_and_result(job)
        clean = is_clean(result, strict=request.strict)
        reply["result"] = result.model_dump_json(exclude={"graph"})
        reply["proposals"] = _proposals(facts, result) if request.propose and not clean else {}
    if clean:
        for other in request.also:
            reply["others"][str(other)], broken = _probe_trouble(_same_on(job, other))
            reply["broken"] += broken
        if request.alone:
            reply["alone"] = outputs_alone(job)
        if request.merges and not any(reply["others"].values()):
            reply["merging"] = _merging_trouble(_same_on(job, request.merges))
    return reply


def job_of(spec: Mapping[str, Any], model: Mapping[str, Any], variants: Sequence[str] = ()) -> Job:
    """A job from plain data. Raises AuditError."""
    read, source = AuditSpec.read(dict(spec)), source_of(model)
    library = variant(library_named(read.library), variants)
    return Job.of(read, source, library=library)


def _same_on(job: Job, spec: Mapping[str, Any]) -> Job:
    """Another spec for the same model and library."""
    return Job.of(AuditSpec.read(dict(spec)), job.source, library=job.library)


def _merging_trouble(job: Job) -> str:
    import torch

    from ..setup.merged_adapters import trouble

    torch.manual_seed(0)
    try:
        return trouble(job)
    except Exception as error:  # the library may refuse to merge in any way: then it is no remedy
        return f"{type(error).__name__}: {error}"


def facts_and_result(job: Job) -> tuple[Facts, AuditResult]:
    """One audit, static and probe, with the facts that families read."""
    timer = Timer()
    _, facts = gather(job, timer)
    return facts, conclude(facts, timer, ())


def source_of(model: Mapping[str, Any]) -> ModelSource:
    """The model of a request."""
    if model["config"] is None:
        return resolve(str(model["name"]))
    return ModelSource(
        str(model["name"]),
        str(model["origin"]),
        config=model["config"],
        inputs=model.get("inputs"),
        dtypes=model.get("dtypes"),
        config_class=model.get("config_class", ""),
        model_class=model.get("model_class", ""),
    )


def _proposals(facts: Facts, result: AuditResult) -> dict[int, list[dict[str, Any]]]:
    sources = Sources()
    found = {n: proposals(facts, f, sources) for n, f in enumerate(result.findings) if f.status == "open"}
    return {n: [asdict(edit) for edit in edits] for n, edits in found.items() if edits}


def _probe_trouble(job: Job) -> tuple[str, list[str]]:
    """What the probe has against another configuration, and the invariants that it breaks; empty for none."""
    from ...probe import Probe

    probed = Probe.start(job).wait(None)
    if probed.death is not None:
        return str(probed.death), []
    if probed.failure is not None:
        return f"{probed.failure.kind}: {probed.failure.message}", []
    facts = Facts(job, Axes(job.lanes, job.rows, job.tokens, 0), probe=probed)
    findings, _ = run_rules(facts, AuditOptions())
    against = objections(findings, strict=False)
    return "; ".join(f"{f.rule}: {f.message}" for f in against), [f.invariant.value for f in against]


def outputs_alone(job: Job) -> dict[str, Any]:
    """Outputs of the small model without and with each adapter alone; a failure's kind where it stops."""
    import torch

    from ...probe.bench import Bench

    torch.manual_seed(0)  # what the library initialises by chance must be alike with and without the patch
    bench = Bench(job)
    return {name or "": _output(bench.run(name)) for name in (None, *bench.names)}


def _output(ran: Any) -> Any:
    if ran.failure is not None:
        return str(ran.failure.kind)
    return {name: value.cpu().numpy() for name, value in ran.outputs.items()}
