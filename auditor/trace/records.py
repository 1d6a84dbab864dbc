"""The recorded run as plain data (no torch): what rules, graph queries and reports read."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

Shape = tuple[int, ...]


class Lane(str, Enum):
    """Lane state of a tensor (docs/design.md, "Lane states")."""

    CONSTANT = "constant"
    """Does not depend on the batch size."""
    SHARED = "shared"
    """One copy of the caller's B rows."""
    EXPANDED = "expanded"
    """N*B rows, lane-major."""
    LEAKED = "leaked"
    """Neither: the lanes moved into another axis, or something else changed the shape."""
    LANE = "lane"
    """The B rows of one lane, cut out of an expanded tensor."""
    UNKNOWN = "unknown"


class Site(NamedTuple):
    """The innermost line of model code that ran an op; `file` is relative to site-packages."""

    file: str
    line: int
    function: str


class Key(NamedTuple):
    """Identity of an op across runs: same module call, same source line, same op, same occurrence."""

    module: str
    call: int
    file: str
    line: int
    op: str
    occurrence: int


class Operand(NamedTuple):
    """One tensor argument: its shape and the index of the record that made it (None: from outside)."""

    shape: Shape
    producer: int | None
    source: str = ""
    """For a tensor from outside: the parameter's or input's name, where known."""


class Record(NamedTuple):
    """One op of a run. What it was given and returned, the recorder keeps for as long as it lives.

    A tuple: a run makes some ten thousand of them, twice, and a frozen dataclass takes five times as long.
    """

    index: int  # type: ignore[assignment] # hides the method of tuples
    key: Key
    site: Site
    operands: tuple[Operand, ...]
    shapes: tuple[Shape, ...] = ()
    """Shapes of the tensors it returned."""
    error: str = ""
    """The exception's text when the op failed; the run then went on with a repaired value."""
    repaired: bool = False
    mutates: bool = False
    """True for in-place ops."""
    lane: Lane = Lane.UNKNOWN
    twin: Shape | None = None
    """Shape of the first output in the reference at B rows."""
    twin_expanded: Shape | None = None
    """Shape of the first output in the reference at N*B rows."""

    def returned(self, shapes: tuple[Shape, ...]) -> Record:
        """The same, with the shapes of what it returned."""
        return self._replace(shapes=shapes)

    def aligned(self, twin: Shape | None, twin_expanded: Shape | None, lane: Lane = Lane.UNKNOWN) -> Record:
        """The same, with what its twins tell."""
        return Record(*self[:8], lane, twin, twin_expanded)

    @property
    def shape(self) -> Shape:
        """Shape of the first tensor it returned (empty when it returned none)."""
        return self.shapes[0] if self.shapes else ()


@dataclass(frozen=True)
class Failure:
    """An exception during a run, whether the run went on after it or not."""

    kind: str
    """Name of the exception's class."""
    message: str
    site: Site | None
    """Innermost line in model code."""
    module: str
    record: int | None = None
    """The failing op, when it failed inside one."""
    deliberate: bool = False
    """Raised by a `raise` or `assert` statement of the adapter library itself."""
    repaired: bool = False
    frames: tuple[Site, ...] = ()
    """All model-code frames, innermost first."""


@dataclass
class Trace:
    """One recorded run."""

    records: list[Record] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    outputs: dict[str, Shape] = field(default_factory=dict)
    """Name of each output tensor -> shape."""
    unknowns: list[str] = field(default_factory=list)
    """Questions about tensor values that could not be answered."""

    def operand_lanes(self, record: Record) -> list[Lane]:
        """Lane states of a record's operands, in order.

        Tensors from outside with a name are weights, those without one inputs.
        """
        return [
            self.records[operand.producer].lane
            if operand.producer is not None
            else (Lane.CONSTANT if operand.source else Lane.SHARED)
            for operand in record.operands
        ]

    @property
    def completed(self) -> bool:
        """Whether the run reached its end (possibly over repairs)."""
        return not self.failures or all(f.repaired for f in self.failures)
