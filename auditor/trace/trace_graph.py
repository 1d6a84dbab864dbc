"""Questions about a recorded run, answered on its networkx graph: where was this made, where expanded.

Nodes are record indices with `op`, `shape`, `lane`, `module`, `file` and `line`; an edge goes from the
producer to the consumer and carries the operand's `position`.
"""

from __future__ import annotations

from collections.abc import Iterable

import networkx as nx

from .op_kinds import MOVES
from .records import Lane, Record, Trace


class TraceGraph:
    """A trace as a `networkx.DiGraph`, and the queries of root-cause slices on it."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.nx: nx.DiGraph[int] = nx.DiGraph()
        for record in trace.records:
            self.nx.add_node(
                record.index,
                op=record.key.op,
                shape=str(list(record.shape)),
                lane=record.lane.value,
                module=record.key.module,
                file=record.site.file,
                line=record.site.line,
            )
            for position, operand in enumerate(record.operands):
                if operand.producer is not None:
                    self.nx.add_edge(operand.producer, record.index, position=position)

    def ancestors(self, index: int) -> set[int]:
        """All records that `index` depends on, and itself."""
        return nx.ancestors(self.nx, index) | {index}

    def descendants(self, index: int) -> set[int]:
        """All records that depend on `index`, and itself."""
        return nx.descendants(self.nx, index) | {index}

    def leak_roots(self, indices: Iterable[int]) -> list[Record]:
        """Where the lanes first left their axis: leaked records that follow from no other leak.

        A repair gave the lanes their axis back, so what leaks behind it is a leak of its own.
        """
        reach: set[int] = set()
        for index in indices:
            reach |= self.ancestors(index)
        leaked = (i for i in sorted(reach) if self.trace.records[i].lane is Lane.LEAKED)
        return [self.trace.records[i] for i in leaked if not self._follows_a_leak(i)]

    def _follows_a_leak(self, index: int) -> bool:
        seen, waiting = {index}, [index]
        while waiting:
            for operand in self.trace.records[waiting.pop()].operands:
                producer = operand.producer
                if producer is None or producer in seen or self.trace.records[producer].repaired:
                    continue
                if self.trace.records[producer].lane is Lane.LEAKED:
                    return True
                if self.trace.records[producer].lane is not Lane.CONSTANT:
                    seen.add(producer)
                    waiting.append(producer)
        return False

    def expanded_at(self, index: int) -> Record | None:
        """The first place at which what `index` depends on became N*B rows."""
        starts = [i for i in sorted(self.ancestors(index)) if self._starts(i, Lane.EXPANDED)]
        return self.trace.records[starts[0]] if starts else None

    def made_at(self, index: int) -> Record:
        """The op that computed the values, behind ops that only move them."""
        record = self.trace.records[index]
        while record.key.op in MOVES and record.operands and record.operands[0].producer is not None:
            record = self.trace.records[record.operands[0].producer]
        return record

    def path(self, source: int, target: int) -> list[Record]:
        """A shortest chain of records from source to target, empty when there is none."""
        if not nx.has_path(self.nx, source, target):
            return []
        return [self.trace.records[i] for i in nx.shortest_path(self.nx, source, target)]

    def slice(self, index: int) -> nx.DiGraph[int]:
        """The subgraph that a finding at `index` is about: what leads to it and is not constant."""
        keep = {i for i in self.ancestors(index) if self.trace.records[i].lane is not Lane.CONSTANT} | {index}
        return self.nx.subgraph(keep)

    def _starts(self, index: int, lane: Lane) -> bool:
        record = self.trace.records[index]
        if record.lane is not lane:
            return False
        producers = [o.producer for o in record.operands if o.producer is not None]
        return all(self.trace.records[p].lane is not lane for p in producers)
