"""The recorded run as GraphML: nodes with op, shape, lane state, module and line, edges with position."""

from __future__ import annotations

from collections.abc import Sequence

from adapter_audit.auditor.errors import UsageError
from adapter_audit.auditor.schema.result import AuditResult

from ..report import Report, ReportOptions


class GraphReport(Report):
    """`--report graph=FILE`."""

    kind = "graph"
    suffix = ".graphml"
    needs_graph = True

    def render(self, results: Sequence[AuditResult], options: ReportOptions) -> str:
        """GraphML of one audit; raises UsageError when there is no graph or more than one."""
        if len(results) != 1 or results[0].graph is None:
            raise UsageError(
                "the graph report needs the recorded graph of exactly one audit",
                do="ask for it in the audit itself: adapter-audit MODEL --compose EXPR --report graph=FILE",
            )
        import networkx as nx  # brings numpy along, which no other report needs

        graph: nx.DiGraph[int] = nx.DiGraph()
        for index, node in enumerate(results[0].graph.nodes):
            graph.add_node(
                index,
                op=node.op,
                module=node.module,
                shape=str(list(node.shape)),
                lane=node.lane,
                file=(node.file or "") if options.show_source else "",
                line=node.line or 0,
                error=node.error,
            )
            for position, producer in enumerate(node.inputs):
                graph.add_edge(producer, index, position=position)
        return "\n".join(nx.generate_graphml(graph)) + "\n"
