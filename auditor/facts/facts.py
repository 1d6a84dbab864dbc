"""What rules read: the frozen facts of one audit. No torch in here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from ..schema.composition import Block
from ..schema.result import Location
from ..source.source_files import source_line
from ..trace.records import Failure, Key, Lane, Record, Shape, Site, Trace

if TYPE_CHECKING:
    from ..library.library import Library
    from ..trace.trace_graph import TraceGraph


@dataclass(frozen=True)
class Axes:
    """Sizes of the named axes: N lanes, B rows, S tokens, T decoder tokens."""

    lanes: int
    rows: int
    tokens: int
    decoder: int

    def sizes(self) -> dict[str, int]:
        """Axis name -> size."""
        return {"N": self.lanes, "B": self.rows, "S": self.tokens, "T": self.decoder}

    def describe(self, shape: Shape, twin: Shape | None = None, twin_expanded: Shape | None = None) -> str:
        """A shape in terms of axes, e.g. `[N*B, 12, S, 64]`; the twins tell which axis is the batch."""
        same_rank = (
            twin is not None and twin_expanded is not None and len(twin) == len(shape) == len(twin_expanded)
        )
        parts = []
        for i, size in enumerate(shape):
            batch = bool(same_rank and twin[i] != twin_expanded[i]) if same_rank else i == 0  # type: ignore[index]
            parts.append(self._batch_axis(size) if batch else self._other_axis(size))
        return f"[{', '.join(parts)}]"

    def _batch_axis(self, size: int) -> str:
        n, b = self.lanes, self.rows
        if n > 1 and size % (n * b) == 0:
            return "N*B" if size == n * b else f"N*B*{size // (n * b)}"
        if size % b == 0:
            return "B" if size == b else (f"B*{size // b}" if b > 1 else str(size))
        return str(size)

    def _other_axis(self, size: int) -> str:
        named = {self.tokens: "S", self.decoder: "T"}
        if self.lanes > 1:
            named |= {self.lanes * self.tokens: "N*S", self.lanes * self.decoder: "N*T"}
        return named.get(size, str(size))


@dataclass(frozen=True)
class StaticFacts:
    """The static half: the composition's shape trace and what its references did."""

    trace: Trace
    reference_failures: Mapping[int, Failure]
    """Lane -> the failure of that adapter alone."""
    shared_outputs: Mapping[str, Shape]
    """Output name -> shape in the reference at B rows."""
    expanded_outputs: Mapping[str, Shape]
    """Output name -> shape in the reference at N*B rows."""

    @cached_property
    def graph(self) -> TraceGraph:
        """The trace as a networkx graph, made when first asked for."""
        from ..trace.trace_graph import TraceGraph

        return TraceGraph(self.trace)

    def main_output(self) -> str | None:
        """The output that answers the user: logits or hidden states, not the loss."""
        names = [n for n in self.shared_outputs if n != "loss"] or list(self.shared_outputs)
        return names[0] if names else None


LOST = "forward without "
"""Begins the `op` of a departure that is a keyword which a module's forward takes no more."""
GAINED = " with the new "
"""In the `op` of a departure, before the name of a parameter that the bare model does not have."""
CHANGED = " where now "
"""In the `op` of a departure, before what the op is told otherwise than in the bare model."""


@dataclass(frozen=True)
class Departure:
    """The first op whose value is not what its twin in the reference has."""

    lane: int
    module: str
    site: Site
    op: str
    deviation: float
    """Largest absolute difference, relative to the twin's largest value."""
    key: Key | None = None
    index: int | None = None
    """Record of the composition's static trace with the same key, where there is one."""


@dataclass(frozen=True)
class Discrepancy:
    """Two runs that should agree and do not."""

    check: str
    """`lanes`, `effect`, `init`, `neutrality`, `purity`, `attention`, `padding`, `cache`, `gradient`, ..."""
    subject: str
    """Which lane, adapter or relation, in words."""
    lanes: tuple[int, ...] = ()
    output: str = ""
    deviation: float = 0.0
    departure: Departure | None = None
    detail: str = ""


@dataclass(frozen=True)
class ProbeFacts:
    """The dynamic half: what was executed and which invariants it broke."""

    failure: Failure | None = None
    """The composition stopped."""
    died: str = ""
    """How the child process ended, when it did not end by itself (signal, time, memory)."""
    last_site: Site | None = None
    """Where the run was when the process died."""
    last_module: str = ""
    reference_failures: Mapping[int, Failure] = field(default_factory=dict)
    discrepancies: Sequence[Discrepancy] = ()
    checks: Sequence[str] = ()
    """The checks that ran."""
    skipped: Mapping[str, str] = field(default_factory=dict)
    """Check -> why it did not run."""
    notes: Sequence[str] = ()
    seconds: float = 0.0


@dataclass(frozen=True)
class Facts:
    """Everything that is known about one audit."""

    tree: Block
    axes: Axes
    names: tuple[str, ...]
    mode: str
    library: Library
    static: StaticFacts | None = None
    probe: ProbeFacts | None = None
    probe_lost: str = ""
    """Why there are no probe facts, when the probe was run and went wrong."""
    setup_failure: Failure | None = None
    methods: Mapping[str, str] = field(default_factory=dict)
    """Adapter -> its configuration, where the audit gave it one."""
    model_type: str = ""
    supported: tuple[str, ...] = ()
    """Methods that the library says this model takes; asked only when something was refused."""

    def discrepancies(self, *checks: str) -> Iterator[Discrepancy]:
        """What some of the probe's checks found; nothing without a probe."""
        return (d for d in (self.probe.discrepancies if self.probe else ()) if d.check in checks)

    def location(self, record: Record) -> Location:
        """The place of a recorded op."""
        return Location(
            module=record.key.module,
            file=record.site.file or None,
            line=record.site.line or None,
            code=source_line(record.site.file, record.site.line),
            op=record.key.op,
            shape=record.shape,
            axes=self.axes.describe(record.shape, record.twin, record.twin_expanded),
            node=record.index,
        )

    def place(self, site: Site | None, module: str, op: str = "") -> Location:
        """A place known by its source line only."""
        if site is None:
            return Location(module=module, op=op)
        return Location(
            module=module, file=site.file, line=site.line, code=source_line(site.file, site.line), op=op
        )

    def operand_text(self, record: Record, position: int) -> str:
        """`[15, 12, 7, 7] = [N*B, 12, S, S]` for one operand of a record."""
        operand = record.operands[position]
        twin = twin_expanded = None
        if operand.producer is not None and self.static is not None:
            producer = self.static.trace.records[operand.producer]
            twin, twin_expanded = producer.twin, producer.twin_expanded
        return f"{list(operand.shape)} = {self.axes.describe(operand.shape, twin, twin_expanded)}"

    def lane_names(self) -> tuple[str, ...]:
        """The adapters of each lane, in words (`a`, `b+c`)."""
        from ..schema.composition import adapter_names, lane_reference

        return tuple("+".join(adapter_names(lane_reference(self.tree, i))) for i in range(self.axes.lanes))


__all__ = ["Axes", "Departure", "Discrepancy", "Facts", "Failure", "Lane", "ProbeFacts", "StaticFacts"]
