"""What an audit returns: the JSON contract, as pydantic models without torch.

`schema_version` grows when a field changes its meaning; new optional fields do not change it.
"""

from __future__ import annotations

import hashlib
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from .verdicts import Cause, Confidence, Invariant, Severity, Verdict

__all__ = [
    "SCHEMA_VERSION",
    "Activity",
    "AuditResult",
    "Cause",
    "Confidence",
    "Coverage",
    "Environment",
    "Evidence",
    "Finding",
    "Fix",
    "GraphData",
    "GraphNode",
    "Invariant",
    "Location",
    "Related",
    "Seconds",
    "Severity",
    "Skipped",
    "Verdict",
    "fingerprint",
]

SCHEMA_VERSION = 1


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Location(_Model):
    """A place in the model: module path and, where known, the source line of the op there."""

    module: str = ""
    file: str | None = None
    """Relative to site-packages, e.g. `adapters/models/t5/modeling_t5.py`."""
    line: int | None = None
    code: str = ""
    op: str = ""
    shape: tuple[int, ...] | None = None
    axes: str = ""
    """The shape in terms of axes, e.g. `[N*B, 12, S, S]`."""
    node: int | None = None
    """Index into `AuditResult.graph.nodes`, where a graph is attached."""


class Related(Location):
    """Another place that belongs to a finding, and the part it plays."""

    role: Literal["symptom", "operand-origin", "expanded-at", "raised-at", "reference", "also-at"]


class Evidence(_Model):
    """One step of the chain from origin to symptom."""

    text: str
    location: Location | None = None


class Fix(_Model):
    """A remedy and its proof. Only `verified` was seen to work."""

    title: str
    kind: Literal["library-patch", "setup-change", "upgrade"]
    diff: str = ""
    code: str = ""
    """Python to paste, for set-up changes."""
    status: Literal["verified", "unverified", "failed"] = "unverified"
    reason: str = ""
    """Why it failed or could not be verified, or how it was verified."""
    origin: Literal["general", "known"] = "general"
    """Whether it was made for what was found, or is (in part) a patch that is kept as data."""
    reference: str = ""
    """Where it is told what a known patch mends."""


class Finding(_Model):
    """One thing that is wrong (or noteworthy) with the composition on this model."""

    rule: str
    name: str
    invariant: Invariant
    """What does not hold."""
    cause: Cause | None = None
    """What kind of thing went wrong, where the rule tells; repairs are chosen by it."""
    severity: Severity
    confidence: Confidence
    message: str
    primary: Location
    related: tuple[Related, ...] = ()
    lanes: tuple[int, ...] = ()
    shapes: dict[str, str] = Field(default_factory=dict)
    """Role of the tensor -> shape in numbers and axes: `"expanded": "[15, 12, 7, 7] = [N*B, 12, S, S]"`."""
    evidence: tuple[Evidence, ...] = ()
    fixes: tuple[Fix, ...] = ()
    modules: tuple[str, ...] = ()
    """All module paths where the same thing happens (the primary's first)."""
    explanation: str = ""
    """Knowledge about a published upstream bug, from data; never the reason for the finding."""
    fingerprint: str = ""
    status: Literal["open", "ignored", "baselined"] = "open"
    status_reason: str = ""
    verdict: Verdict = Verdict.COMPATIBLE
    """What this finding alone makes of the verdict."""


class Coverage(_Model):
    """How much of the run was seen and understood."""

    ops: int = 0
    aligned: float = 0.0
    """Share (0..1) of the ops that have a twin in a reference trace."""
    known: float = 0.0
    """Share (0..1) of the tensors whose lane state is known."""
    unknown: int = 0
    """Number of questions that could not be decided."""


class Seconds(_Model):
    """Wall seconds spent in each stage."""

    build: float = 0.0
    meta: float = 0.0
    probe: float = 0.0
    fixes: float = 0.0


class Environment(_Model):
    """Versions that the audit ran with; another adapter library has a field of its own name."""

    model_config = ConfigDict(extra="allow", frozen=True)

    adapters: str = ""
    peft: str = ""
    transformers: str = ""
    torch: str = ""
    python: str = ""


class Activity(_Model):
    """Which adapter has which modules where: one row of "what is active where"."""

    module: str
    layer: int
    """Layer index as `adapters` counts it; -1 outside the layers."""
    method: str
    adapters: tuple[str, ...]


class Skipped(_Model):
    """A check that did not run, and why."""

    rule: str
    reason: str


class GraphNode(_Model):
    """One recorded op."""

    op: str
    module: str
    file: str | None = None
    line: int | None = None
    shape: tuple[int, ...] = ()
    lane: Literal["constant", "shared", "expanded", "leaked", "lane", "unknown"] = "unknown"
    twin: tuple[int, ...] | None = None
    """Shape of the twin in the reference at the caller's batch size."""
    inputs: tuple[int, ...] = ()
    """Indices of the producing nodes, in operand order."""
    error: str = ""


class GraphData(_Model):
    """The recorded composition as data for reports; sources maps `file:line` to the code there."""

    nodes: tuple[GraphNode, ...]
    sources: dict[str, str] = Field(default_factory=dict)


class AuditResult(_Model):
    """The outcome of one audit."""

    schema_version: int = SCHEMA_VERSION
    id: str | None = None
    verdict: Verdict
    summary: str = ""
    """One sentence in plain words."""
    spec: dict[str, object]
    environment: Environment = Environment()
    findings: tuple[Finding, ...] = ()
    coverage: Coverage = Coverage()
    seconds: Seconds = Seconds()
    axes: dict[str, int] = Field(default_factory=dict)
    """Sizes of the named axes, e.g. `{"N": 5, "B": 3, "S": 7}`."""
    unknowns: tuple[str, ...] = ()
    """What could not be decided, and why."""
    skipped: tuple[Skipped, ...] = ()
    activity: tuple[Activity, ...] = ()
    notes: tuple[str, ...] = ()
    """Facts about how the audit was done that a reader must know (e.g. folded layers)."""
    error: str | None = None
    """Set when the request could not be audited at all (then the verdict is `unknown`)."""
    graph: GraphData | None = None

    def worst(self) -> Severity | None:
        """Highest severity among the open findings."""
        ranks = [f.severity for f in self.findings if f.status == "open"]
        return max(ranks, key=lambda s: s.rank, default=None)


def fingerprint(rule: str, module: str, op: str, axis: str) -> str:
    """Structural identity of a finding: layer numbers are folded, line numbers play no part."""
    role = ".".join("*" if part.isdigit() else part for part in module.split("."))
    return hashlib.sha256("\0".join((rule, role, op, axis)).encode()).hexdigest()[:16]
