"""What rules read: the frozen facts of one audit. No torch in here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from ..request.job import Job
from ..schema.composition import Block
from ..schema.heads import Heads
from ..schema.result import Location
from ..source.source_files import source_line
from ..trace.output_names import own_name
from ..trace.records import Failure, Lane, Record, Shape, Site, Trace
from .observations import Departure, Observation, ProcessDeath

if TYPE_CHECKING:
    from ..library.library import Library
    from ..trace.trace_graph import TraceGraph


Seen = TypeVar("Seen", bound=Observation)


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

    def given(self, name: str) -> Shape | None:
        """The shape of an output of the composition; of one that several heads give, with the rows of all."""
        own = [shape for n, shape in self.trace.outputs.items() if own_name(n) == name and shape]
        if name in self.trace.outputs or not own:
            return self.trace.outputs.get(name)
        return (sum(shape[0] for shape in own), *own[0][1:])

    def main_output(self) -> str | None:
        """The output that answers the user: logits or hidden states, not the loss."""
        names = [n for n in self.shared_outputs if n != "loss"] or list(self.shared_outputs)
        return names[0] if names else None


@dataclass(frozen=True)
class ProbeFacts:
    """The dynamic half: what was executed and which invariants it broke."""

    failure: Failure | None = None
    """The composition stopped."""
    setup_failure: Failure | None = None
    """The small model could not be set up; then nothing else is known."""
    reference_failures: Mapping[int, Failure] = field(default_factory=dict)
    observations: Sequence[Observation] = ()
    """What the checks saw, in their order, and the death of the child process, if it died."""
    checks: Sequence[str] = ()
    """The checks that ran."""
    unanswered: Mapping[str, str] = field(default_factory=dict)
    """Check -> what it could not find out, and why."""
    notes: Sequence[str] = ()
    seconds: float = 0.0

    @property
    def death(self) -> ProcessDeath | None:
        """How the child process died; None where it ended by itself."""
        return next((o for o in self.observations if isinstance(o, ProcessDeath)), None)


@dataclass(frozen=True)
class Facts:
    """Everything that is known about one audit."""

    job: Job
    axes: Axes
    static: StaticFacts | None = None
    probe: ProbeFacts | None = None
    probe_lost: str = ""
    """Why there are no probe facts, when the probe was run and went wrong."""
    setup_failure: Failure | None = None
    untraced: str = ""
    """Why there is no static half, though the set-up did not fail."""
    model_type: str = ""
    heads: Heads | None = None
    """The prediction heads that are active, where the model has some to choose from."""
    supported: tuple[str, ...] = ()
    """Methods that the library says this model takes; asked only when something was refused."""

    @property
    def tree(self) -> Block:
        """The composition."""
        return self.job.tree

    @property
    def names(self) -> tuple[str, ...]:
        """All adapters."""
        return self.job.names

    @property
    def methods(self) -> Mapping[str, str]:
        """Adapter -> its configuration, where the audit gave it one."""
        return self.job.methods

    @property
    def library(self) -> Library:
        """What put the adapters in."""
        return self.job.library

    def observations(self, *kinds: type[Seen]) -> Iterator[Seen]:
        """What the probe saw of these kinds; nothing without a probe."""
        return (o for o in (self.probe.observations if self.probe else ()) if isinstance(o, kinds))

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


__all__ = ["Axes", "Departure", "Facts", "Failure", "Lane", "Observation", "ProbeFacts", "StaticFacts"]
