"""The recorded run as a `torch.fx.Graph`, and as plain data for reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..schema.result import GraphData, GraphNode
from ..source.source_files import source_line
from .records import Record, Trace


def fx_graph(trace: Trace, calls: Mapping[int, tuple[Any, Any, Any]]) -> Any:
    """The run as a `torch.fx.Graph`: real operators, and `meta` with `val`, `module`, `site` and `lane`.

    `calls` are the recorder's: record -> operator and arguments; ops that never returned are left out.
    Tensors from outside (weights, inputs) are placeholders. The graph documents a run; it is not meant to
    be run again.
    """
    import torch
    from torch.utils._pytree import tree_map_only

    graph = torch.fx.Graph()
    made: dict[int, torch.fx.Node] = {}
    outside: dict[int, torch.fx.Node] = {}
    for record in (r for r in trace.records if r.index in calls):
        func, args, kwargs = calls[record.index]
        operands = iter(record.operands)

        def node_of(tensor: torch.Tensor, operands: Any = operands) -> torch.fx.Node:
            operand = next(operands)
            if operand.producer is not None:
                return made[operand.producer]
            if id(tensor) not in outside:
                node = graph.placeholder(operand.source.replace(".", "_") or f"input_{len(outside)}")
                node.meta["val"] = tensor
                outside[id(tensor)] = node
            return outside[id(tensor)]

        fx_args, fx_kwargs = tree_map_only(torch.Tensor, node_of, (args, kwargs))
        node = graph.call_function(func, fx_args, fx_kwargs)
        node.meta.update(
            val=record.shapes, module=record.key.module, site=record.site, lane=record.lane.value
        )
        made[record.index] = node
    return graph


def graph_data(trace: Trace) -> GraphData:
    """The run as data for reports."""
    sources: dict[str, str] = {}
    for record in trace.records:
        place = f"{record.site.file}:{record.site.line}"
        if place not in sources:
            sources[place] = source_line(record.site.file, record.site.line)
    return GraphData(nodes=tuple(_node(r) for r in trace.records), sources=sources)


def _node(record: Record) -> GraphNode:
    return GraphNode(
        op=record.key.op,
        module=record.key.module,
        file=record.site.file or None,
        line=record.site.line or None,
        shape=record.shape,
        lane=record.lane.value,
        twin=record.twin,
        inputs=tuple(o.producer for o in record.operands if o.producer is not None),
        error=record.error,
    )
