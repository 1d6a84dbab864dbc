"""Aligns the composition's trace with its references and classifies every tensor's lanes.

The twin of an op is the op of the reference with the same key. The reference at B rows tells the
shape of a *shared* tensor, the reference at N*B rows that of an *expanded* one; what is neither has
*leaked*. No algebra over ops is needed. Ops without a twin (those of the composition blocks
themselves) take their state from their operands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..op_kinds import MOVES
from ..records import Key, Lane, Record, Shape, Trace


@dataclass(frozen=True)
class TwinTable:
    """Shapes by key: of every lane's reference at B rows, and of the first lane's at N*B rows."""

    shared: Sequence[Mapping[Key, Shape]]
    expanded: Mapping[Key, Shape]
    lanes: int
    rows: int
    alike: Mapping[str, str] = field(default_factory=dict)
    """Adapter -> the one that was run in its stead: their modules have the same shapes."""

    def twin(self, key: Key) -> Shape | None:
        """Shape in the first reference at B rows that has this op."""
        return next((found for table in self.shared if (found := self._of(table, key)) is not None), None)

    def _of(self, table: Mapping[Key, Shape], key: Key) -> Shape | None:
        found = table.get(key)
        if found is not None or not self.alike:
            return found
        parts = key.module.split(".")
        if self.alike.keys().isdisjoint(parts):
            return None
        module = ".".join(self.alike.get(part, part) for part in parts)
        return table.get(key._replace(module=module))

    def twin_expanded(self, key: Key, twin: Shape | None) -> Shape | None:
        """Shape that the op with this twin has when its batch is N times as large."""
        found = self._of(self.expanded, key)
        if found is not None or twin is None:
            return found
        return self._with_lanes(twin)

    def _with_lanes(self, shape: Shape) -> Shape:
        """The first axis N times as long where it counts rows, otherwise the first axis of exactly B."""
        counts_rows = bool(shape) and shape[0] % self.rows == 0
        axis = 0 if counts_rows else next((i for i, size in enumerate(shape) if size == self.rows), None)
        return shape if axis is None else (*shape[:axis], shape[axis] * self.lanes, *shape[axis + 1 :])


def shape_table(trace: Trace) -> dict[Key, Shape]:
    """Key -> shape of the first output, of every op that succeeded."""
    return {r.key: r.shape for r in trace.records if not r.error and r.shapes}


def classify(trace: Trace, table: TwinTable) -> None:
    """Give every record its `lane`, `twin` and `twin_expanded`, in order."""
    for index, record in enumerate(trace.records):
        twin = table.twin(record.key)
        expanded = table.twin_expanded(record.key, twin)
        lane = _state(record.aligned(twin, expanded), trace, table)
        trace.records[index] = record.aligned(twin, expanded, lane)


def _state(record: Record, trace: Trace, table: TwinTable) -> Lane:
    if not record.shapes:
        return Lane.CONSTANT
    if not record.site.file:
        return Lane.UNKNOWN  # the backward pass: gradients add up over rows and have no lanes to follow
    if record.repaired:
        return Lane.EXPANDED if record.twin != record.twin_expanded else Lane.CONSTANT
    inputs = trace.operand_lanes(record)
    if record.twin is not None:
        return _aligned_state(record, inputs, table)
    return _derived_state(record, inputs, table)


def _aligned_state(record: Record, inputs: list[Lane], table: TwinTable) -> Lane:
    shape, shared = record.shape, record.twin
    if table.lanes == 1:
        return Lane.SHARED if shape == shared else Lane.UNKNOWN
    if shape == shared:
        if shared == record.twin_expanded:
            return Lane.CONSTANT
        return Lane.LANE if Lane.LANE in inputs or _cuts_lanes(record, inputs) else Lane.SHARED
    if shape == record.twin_expanded:
        return Lane.EXPANDED
    for other in table.shared[1:]:
        twin = other.get(record.key)
        if twin == shape:
            return Lane.LANE if Lane.LANE in inputs else Lane.SHARED
        if twin and shape == (twin[0] * table.lanes, *twin[1:]):
            return Lane.EXPANDED
    return _departed(record, inputs, table)


def _cuts_lanes(record: Record, inputs: list[Lane]) -> bool:
    """Whether rows of an expanded tensor are handed on as they are, too few to be all lanes."""
    return record.key.op in MOVES and Lane.EXPANDED in inputs and Lane.SHARED not in inputs


def _departed(record: Record, inputs: list[Lane], table: TwinTable) -> Lane:
    """A shape that no reference has: lanes in another axis are a leak, another length is only unknown."""
    if Lane.LEAKED in inputs:
        return Lane.LEAKED
    factor = _extra_factor(record.shape, record.twin or ())
    return Lane.LEAKED if factor == table.lanes else Lane.UNKNOWN


def _extra_factor(shape: Shape, twin: Shape) -> int:
    """How many times more elements `shape` has than `twin`; 0 when it is no whole number."""
    mine, theirs = _count(shape), _count(twin)
    return mine // theirs if theirs and mine % theirs == 0 else 0


def _count(shape: Shape) -> int:
    total = 1
    for size in shape:
        total *= size
    return total


def _derived_state(record: Record, inputs: list[Lane], table: TwinTable) -> Lane:
    """State of an op without twin, from its operands' states and the first axis."""
    if Lane.LEAKED in inputs:
        return Lane.LEAKED
    rows, lanes = table.rows, table.lanes
    first = record.shape[0] if record.shape else 0
    if Lane.EXPANDED in inputs:
        source = max((o.shape[0] for o in record.operands if o.shape), default=0)
        return Lane.LANE if lanes > 1 and first * lanes == source else Lane.EXPANDED
    if Lane.LANE in inputs:
        return Lane.EXPANDED if first == rows * lanes and lanes > 1 else Lane.LANE
    if Lane.SHARED in inputs:
        source = max((o.shape[0] for o in record.operands if o.shape), default=0)
        return Lane.EXPANDED if lanes > 1 and source and first == source * lanes else Lane.SHARED
    if inputs and all(state is Lane.CONSTANT for state in inputs):
        return Lane.CONSTANT
    return Lane.CONSTANT if not inputs else Lane.UNKNOWN
