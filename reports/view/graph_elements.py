"""The recorded graph as compact data for the page: equal layers folded, every text stored once.

A model of 80 equal layers has one layer in the page, labelled `1-79`. Two layers are equal when they ran the
same ops, at the same source lines, with the same shapes and lane states; so a layer that behaves differently
is never hidden in a fold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from adapter_audit.auditor.schema.result import Finding, GraphData, GraphNode

from .prepare import shorten, visible
from .words import ranges

LANES = ("constant", "shared", "expanded", "leaked", "lane", "unknown")
MAX_OWN_OPS = 60
"""More ops than this directly in one module are shown in parts."""
LONGEST_WAY = 6
"""Ops on a longer way of a slice are left out where nothing happens to the lanes."""
LONGEST_TEXT = 400


@dataclass
class Module:
    """A module of the tree: equal siblings share one, which stands for `members` of them."""

    name: str
    members: int = 1
    children: list[Module] = field(default_factory=list)
    ops: list[int] = field(default_factory=list)
    """Recorded ops directly in this module, as indices into the recorded graph."""


@dataclass
class _Branch:
    """The module tree as it was recorded, before folding."""

    children: dict[str, _Branch] = field(default_factory=dict)
    own: list[int] = field(default_factory=list)
    all: list[tuple[int, str]] = field(default_factory=list)
    """Every op below, in the order of execution, with its module path relative to this one."""


@dataclass(frozen=True)
class Folded:
    """The folded tree, and for every recorded op the one that stands for it."""

    root: Module
    stands_for: list[int]


def fold(nodes: Sequence[GraphNode]) -> Folded:
    """Build the module tree and fold runs of equal numbered siblings."""
    stands_for = list(range(len(nodes)))
    keys = [_key(node) for node in nodes]
    root = _folded("", _tree(nodes), keys, stands_for)
    return Folded(root, [_end(stands_for, index) for index in range(len(nodes))])


def _end(stands_for: list[int], index: int) -> int:
    """The last in the line of stand-ins: a fold can lie inside a fold."""
    while stands_for[index] != index:
        index = stands_for[index]
    return index


def _key(node: GraphNode) -> tuple[object, ...]:
    return (node.op, node.file, node.line, node.shape, node.lane, node.twin, node.error)


def _tree(nodes: Sequence[GraphNode]) -> _Branch:
    root = _Branch()
    for index, node in enumerate(nodes):
        branch, parts = root, [part for part in node.module.split(".") if part]
        for depth, part in enumerate(parts):
            branch.all.append((index, ".".join(parts[depth:])))
            branch = branch.children.setdefault(part, _Branch())
        branch.all.append((index, ""))
        branch.own.append(index)
    return root


def _folded(name: str, branch: _Branch, keys: list[tuple[object, ...]], stands_for: list[int]) -> Module:
    module = Module(name, ops=list(branch.own))
    for names in _runs(branch, keys):
        first = branch.children[names[0]]
        for other in names[1:]:
            for (mine, _), (its, _) in zip(first.all, branch.children[other].all, strict=True):
                stands_for[its] = mine
        label = ranges(int(n) for n in names) if len(names) > 1 else names[0]
        child = _folded(label, first, keys, stands_for)
        child.members = len(names)
        module.children.append(child)
    return module


def _runs(branch: _Branch, keys: list[tuple[object, ...]]) -> Iterable[list[str]]:
    """Children in order, neighbours with the same signature together; only numbered ones are compared."""
    run: list[str] = []
    previous: object = None
    for name, child in branch.children.items():
        signature = tuple((path, keys[index]) for index, path in child.all) if name.isdigit() else None
        follows = run and run[-1].isdigit() and name.isdigit() and int(name) == int(run[-1]) + 1
        if follows and signature == previous:
            run.append(name)
            continue
        if run:
            yield run
        run, previous = [name], signature
    if run:
        yield run


class _Table:
    """Texts stored once, made safe to show as they are stored."""

    def __init__(self) -> None:
        self.values: list[str] = []
        self._index: dict[str, int] = {}

    def add(self, text: str) -> int:
        """Index of the text in `values`."""
        found = self._index.get(text)
        if found is None:
            found = self._index[text] = len(self.values)
            self.values.append(shorten(visible(text), LONGEST_TEXT))
        return found


def page_data(graph: GraphData, findings: Sequence[Finding]) -> dict[str, Any]:
    """Everything the page's script needs, as plain JSON data.

    `modules` is a list of `[name, members, parent]`, parents first. `nodes` is a list of
    `[op, module, place, shape, lane, twin, error, inputs]` whose texts are indices into `texts`, and `inputs`
    indices into `nodes`; -1 stands for nothing. `slices` has one entry a finding.
    """
    folded = fold(graph.nodes)
    texts, modules, owner = _Table(), [], {}
    for number, (module, parent) in enumerate(_flat(folded.root)):
        modules.append([shorten(visible(module.name), LONGEST_TEXT), module.members, parent])
        owner.update(dict.fromkeys(module.ops, number))
    kept = [index for index in range(len(graph.nodes)) if folded.stands_for[index] == index]
    number_of = {index: number for number, index in enumerate(kept)}

    def stand_in(index: int) -> int:
        return number_of[folded.stands_for[index]]

    nodes = [_node(graph.nodes[index], number_of[index], owner[index], texts, stand_in) for index in kept]
    slices = [_slice(graph, finding, stand_in) for finding in findings]
    used = {f"{n.file}:{n.line}" for n in (graph.nodes[i] for i in kept) if n.file}
    sources = {texts.add(key): texts.add(code) for key, code in graph.sources.items() if key in used}
    return {
        "recorded": len(graph.nodes),
        "lanes": LANES,
        "modules": modules,
        "nodes": nodes,
        "sources": sources,
        "slices": slices,
        "texts": texts.values,
    }


def _flat(root: Module) -> Iterable[tuple[Module, int]]:
    """All modules with the number of their parent, parents first; long lists of ops cut into parts."""
    queue: list[tuple[Module, int]] = [(root, -1)]
    for number, (module, parent) in enumerate(queue):
        if len(module.ops) > MAX_OWN_OPS:
            parts = [module.ops[at : at + MAX_OWN_OPS] for at in range(0, len(module.ops), MAX_OWN_OPS)]
            names = (f"(ops {i * MAX_OWN_OPS + 1}-{i * MAX_OWN_OPS + len(p)})" for i, p in enumerate(parts))
            module.children[:0] = [Module(name, ops=part) for name, part in zip(names, parts, strict=True)]
            module.ops = []
        queue.extend((child, number) for child in module.children)
        yield module, parent


def _node(
    node: GraphNode, number: int, module: int, texts: _Table, stand_in: Callable[[int], int]
) -> list[Any]:
    # A fold turns an edge between two of its members into one that leads back; it is left out.
    inputs = sorted({stand_in(i) for i in node.inputs if stand_in(i) < number})
    return [
        texts.add(node.op),
        module,
        texts.add(f"{node.file}:{node.line}") if node.file else -1,
        texts.add(str(list(node.shape))),
        LANES.index(node.lane),
        texts.add(str(list(node.twin))) if node.twin is not None else -1,
        texts.add(node.error) if node.error else -1,
        inputs,
    ]


def _slice(graph: GraphData, finding: Finding, stand_in: Callable[[int], int]) -> dict[str, Any]:
    """The ops of a finding: `keys` it names, `nodes` to draw, `gaps` as `[from, to, ops left out]`."""
    keys = _key_nodes(finding, len(graph.nodes))
    wanted = set(keys)
    gaps: dict[tuple[int, int], int] = {}
    for origin in keys[:-1]:
        path = _shortest_path(graph.nodes, origin, keys[-1])
        kept = _landmarks(graph.nodes, path, set(keys))
        wanted.update(path[at] for at in kept)
        for one, other in pairwise(kept):
            if other > one + 1:
                gaps[stand_in(path[one]), stand_in(path[other])] = other - one - 1
    if keys:
        wanted.update(graph.nodes[keys[-1]].inputs)
    return {
        "keys": sorted({stand_in(k) for k in keys}),
        "nodes": sorted({stand_in(n) for n in wanted}),
        "gaps": [[source, target, number] for (source, target), number in gaps.items()],
    }


def _landmarks(nodes: Sequence[GraphNode], path: list[int], keys: set[int]) -> list[int]:
    """Positions on a way that are worth drawing: all of a short one, else its turns in lane state."""
    if len(path) <= LONGEST_WAY:
        return list(range(len(path)))
    last = len(path) - 1
    return [
        at
        for at, node in enumerate(path)
        if at in (0, last - 1, last) or node in keys or nodes[node].lane != nodes[path[at - 1]].lane
    ]


def _key_nodes(finding: Finding, size: int) -> list[int]:
    """Recorded ops that the finding speaks of, in the order of execution."""
    places = [finding.primary, *finding.related, *(s.location for s in finding.evidence if s.location)]
    return sorted({p.node for p in places if p.node is not None and 0 <= p.node < size})


def _shortest_path(nodes: Sequence[GraphNode], origin: int, target: int) -> list[int]:
    """Ops on a shortest way from `origin` to `target`, both included; empty when there is none."""
    leads_to: dict[int, int] = {target: -1}
    queue = [target]
    for node in queue:
        if node == origin:
            return _walk(leads_to, origin)
        for source in nodes[node].inputs:
            # Inputs come before their op, so nothing before `origin` can lie on the way.
            if source >= origin and source not in leads_to:
                leads_to[source] = node
                queue.append(source)
    return []


def _walk(leads_to: dict[int, int], start: int) -> list[int]:
    path = [start]
    while leads_to[path[-1]] != -1:
        path.append(leads_to[path[-1]])
    return path
