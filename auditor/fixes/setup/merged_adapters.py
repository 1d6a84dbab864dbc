"""Whether adapters that `average_adapter` merges are what they are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ...probe.bench import Bench, Ran
from ...probe.output_gaps import answers
from ...probe.precision import SINGLE_TOLERANCE, deviation
from ...request.job import Job
from ...schema.composition import Block, Node, walk
from .other_adapters import MERGED, merged_tree


def trouble(job: Job) -> str:
    """What is wrong, in words: with all weight on one adapter, the merged one must give its results."""
    bench = Bench(job)
    blocks = [b for b in walk(bench.tree) if b.kind == "average"]
    changed = merged_tree(bench.tree, blocks)
    for place in range(max(len(b.children) for b in blocks)):
        chosen = {b: b.children[min(place, len(b.children) - 1)] for b in blocks}
        _merge(bench, {b: [float(c == chosen[b]) for c in b.children] for b in blocks})
        wrong = _difference(bench.run(changed), bench.run(_with_children(bench.tree, chosen)))
        if wrong:
            return wrong
    _merge(bench, {b: list(b.numbers or (1.0,) * len(b.children)) for b in blocks})
    failure = bench.run(changed).failure
    return f"{failure.kind}: {failure.message}" if failure is not None else ""


def _difference(given: Ran, wanted: Ran) -> str:
    failure = given.failure or wanted.failure
    if failure is not None:
        return f"{failure.kind}: {failure.message}"
    for name, value in answers(wanted.outputs).items():
        if name not in given.outputs or deviation(given.outputs[name], value) > SINGLE_TOLERANCE:
            return f"{name} is not that of the adapter with all the weight"
    return ""


def _merge(bench: Bench, weights: Mapping[Block, list[float]]) -> None:
    for number, (block, own) in enumerate(weights.items()):
        name = f"{MERGED}{number}"
        if name in bench.model.adapters_config:
            bench.model.delete_adapter(name)
        bench.model.average_adapter(name, list(block.children), weights=own)


def _with_children(tree: Node, chosen: dict[Block, Node]) -> Node:
    if isinstance(tree, str):
        return tree
    if tree in chosen:
        return chosen[tree]
    return replace(tree, children=tuple(_with_children(c, chosen) for c in tree.children))
