"""Set-ups with other adapters: merged ones, and such as need training anew."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ...library.adapters.pasted_code import python
from ...request.job import Job
from ...schema.composition import Block, Node, adapter_names, as_block, walk
from .setup_change import ACTIVATE, ADD, SetUp, active_code, adding

COMMON_METHODS = ("lora", "seq_bn", "par_bn", "prefix_tuning")
"""Methods that most models and compositions support, cheap ones first."""
ANEW = "needs training anew"
MERGED = "merged"


def merged(job: Job) -> Iterator[SetUp]:
    """Adapters of an Average merged into one beforehand: their weights are averaged, not their outputs."""
    tree = job.tree
    blocks = [b for b in walk(tree) if b.kind == "average"]
    plain = [b for b in blocks if all(isinstance(c, str) for c in b.children)]
    methods = {job.methods[n] for b in plain for n in adapter_names(b)}
    if not plain or plain != blocks or len(methods) != 1:
        return
    changed, lines = merged_tree(tree, plain), []
    for number, block in enumerate(plain):
        weights = f", weights={list(block.numbers)}" if block.numbers is not None else ""
        names = [c for c in block.children if isinstance(c, str)]
        lines.append(f"model.average_adapter({MERGED + str(number)!r}, {names}{weights})\n")
    steps = ((ADD, "".join(lines)), (ACTIVATE, f"{active_code(job, python(changed))}\n"))
    (method,) = methods
    own = {n: method if n.startswith(MERGED) else job.methods[n] for n in adapter_names(changed)}
    audited = job.changed(compose=str(as_block(changed)), adapter=None, adapters=own)
    yield SetUp(
        "merge the adapters by average_adapter; it averages their weights, not their outputs",
        (audited,),
        steps,
        merges=job,
    )


def merged_tree(tree: Node, blocks: Sequence[Block]) -> Node:
    """The tree with each block replaced by one adapter, `merged0`, `merged1`, ..."""
    if isinstance(tree, str):
        return tree
    if tree in blocks:
        return f"{MERGED}{list(blocks).index(tree)}"
    return replace(tree, children=tuple(merged_tree(c, blocks) for c in tree.children))


def all_layers(job: Job) -> Iterator[SetUp]:
    """Adapters in all layers: other adapters, to be trained anew."""
    methods = {n: job.methods[n] for n in job.names}
    everywhere = {n: without_leave_out(m) for n, m in methods.items()}
    if everywhere == methods and not job.spec.skip_layers:
        return
    changed = job.changed(adapter=None, adapters=everywhere, skip_layers=None)
    title = f"adapters in all layers (no leave_out, no skip_layers); {ANEW}"
    yield SetUp(title, (changed,), adding(everywhere))


def other_methods(job: Job) -> Iterator[SetUp]:
    """The same composition of adapters of one method, one that is there already before the common ones."""
    names = job.names
    own = dict.fromkeys(without_leave_out(job.methods[n]) for n in names)
    mixed = list(own) if len(own) > 1 else []
    for method in dict.fromkeys((*mixed, *COMMON_METHODS)):
        if any(job.methods[n] != method for n in names):
            changed = job.changed(adapter=method, adapters={}, skip_layers=None)
            yield SetUp(
                f"{method} adapters in the same composition; {ANEW}",
                (changed,),
                adding(dict.fromkeys(names, method)),
            )


def unnested(job: Job) -> Iterator[SetUp]:
    """A Stack inside a Fuse: what its adapters but the last do is put below the Fuse, for all of it."""
    tree = job.tree
    for block in (b for b in walk(tree) if b.kind == "fuse"):
        stacks = [c for c in block.children if isinstance(c, Block) and c.kind == "stack"]
        if not stacks or not all(isinstance(g, str) for s in stacks for g in s.children):
            continue
        below = [g for s in stacks for g in s.children[:-1]]
        flat = Block("fuse", tuple(c.children[-1] if c in stacks else c for c in block.children))
        lifted = Block("stack", (*below, flat))
        if tree != block or not all(isinstance(c, str) for c in flat.children):
            continue
        names = ", ".join(str(n) for n in below)
        for method in COMMON_METHODS:
            changed = job.changed(compose=str(lifted), adapter=method, adapters={}, skip_layers=None)
            title = f"{method} adapters, {names} below the whole Fuse instead of a Stack inside it; {ANEW}"
            steps = (
                *adding(dict.fromkeys(adapter_names(lifted), method)),
                (ADD, f"model.add_adapter_fusion({python(flat)})\n"),
                (ACTIVATE, f"{active_code(changed, python(lifted))}\n"),
            )
            yield SetUp(title, (changed,), steps)


def without_leave_out(method: str) -> str:
    """A configuration without its `leave_out`."""
    return re.sub(r"\[\s*\]", "", re.sub(r",?\s*leave_out=\[[^\]]*\]", "", method).replace("[,", "["))
