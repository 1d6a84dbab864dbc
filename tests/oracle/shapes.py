"""Compositions the grid draws from: main blocks, nests the library allows, and set-ups it should refuse."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise

Template = Callable[[int, int, random.Random], str]
"""Takes batch size, sequence length and a random source; returns an expression."""


def _sizes(total: int, parts: int, rng: random.Random) -> str:
    """Cut a batch into parts; a part may be empty when the batch is small, or now and then."""
    if total >= parts and rng.random() > 0.1:
        cuts = sorted(rng.sample(range(1, total), parts - 1))
    else:
        cuts = sorted(rng.randint(0, total) for _ in range(parts - 1))
    edges = [0, *cuts, total]
    return ",".join(str(b - a) for a, b in pairwise(edges))


def _split(children: str, length: int, rng: random.Random) -> str:
    cut = rng.randint(1, length - 1)
    return f"split({children};{cut},{length - cut})"


def _fixed(text: str) -> Template:
    return lambda batch, length, rng: text


def _batch(pattern: str, parts: int = 2) -> Template:
    """Fill ``{}`` with sizes that sum up to the batch."""
    return lambda batch, length, rng: pattern.format(_sizes(batch, parts, rng))


def _nested_batchsplit(batch: int, length: int, rng: random.Random) -> str:
    first = max(1, batch - 1)
    return f"batchsplit(batchsplit(a,b;{_sizes(first, 2, rng)}),c;{first},{batch - first})"


def _batchsplit_of_split(batch: int, length: int, rng: random.Random) -> str:
    return f"batchsplit({_split('a,b', length, rng)},c;{_sizes(batch, 2, rng)})"


MAIN: dict[str, Template] = {
    "parallel": _fixed("parallel(a,b)"),
    "batchsplit": _batch("batchsplit(a,b;{})"),
    "stack": _fixed("stack(a,b)"),
    "average": _fixed("average(a,b)"),
}
"""Every model and main method meet each of these."""

SPECIAL: dict[str, tuple[Template, tuple[str, ...]]] = {
    "fuse": (_fixed("fuse(a,b)"), ("seq_bn", "compacter", "lora")),
    "split": (lambda b, s, r: _split("a,b", s, r), ("seq_bn", "par_bn", "lora")),
    "multitask": (_fixed("multitask(a,b)"), ("lora", "mtl_lora", "seq_bn")),
}
"""Blocks that only some methods support; every model meets them with these methods."""

NESTS: dict[str, Template] = {
    "single": _fixed("a"),
    "parallel-3": _fixed("parallel(a,b,c)"),
    "parallel-of-one": _fixed("parallel(stack(a),stack(b))"),
    "parallel-stack": _fixed("parallel(stack(a,b),c)"),
    "parallel-stacks": _fixed("parallel(stack(a,b),stack(c,d))"),
    "parallel-shared": _fixed("parallel(stack(a,b),stack(a,c))"),
    "parallel-average": _fixed("parallel(average(a,b),c)"),
    "parallel-batchsplit": _batch("parallel(batchsplit(a,b;{}),c)"),
    "stack-parallel": _fixed("stack(a,parallel(b,c))"),
    "parallel-then-stack": _fixed("stack(parallel(a,b),c)"),
    "batchsplit-3": _batch("batchsplit(a,b,c;{})", 3),
    "batchsplit-stack": _batch("batchsplit(stack(a,b),c;{})"),
    "batchsplit-average": _batch("batchsplit(average(a,b),c;{})"),
    "batchsplit-batchsplit": _nested_batchsplit,
    "batchsplit-split": _batchsplit_of_split,
    "stack-batchsplit": _batch("stack(a,batchsplit(b,c;{}))"),
    "stack-3": _fixed("stack(a,b,c)"),
    "stack-average": _fixed("stack(a,average(b,c))"),
    "stack-split": lambda b, s, r: f"stack(a,{_split('b,c', s, r)})",
    "stack-fuse": _fixed("stack(a,fuse(b,c))"),
    "fuse-stack": _fixed("fuse(stack(a,b),c)"),
    "fuse-then-stack": _fixed("stack(fuse(a,b),c)"),
    "average-weights": _fixed("average(a,b;0.3,0.7)"),
    "average-3": _fixed("average(a,b,c)"),
    "average-stack": _fixed("average(stack(a,b),c)"),
    "average-batchsplit": _batch("average(batchsplit(a,b;{}),c)"),
    "split-stack": lambda b, s, r: _split("stack(a,b),c", s, r),
    "split-average": lambda b, s, r: _split("average(a,b),c", s, r),
}
"""Nests that the library's table of allowed nestings permits, and variations of the main blocks."""

HEADED: dict[str, Template] = {
    "single": _fixed("a"),
    "parallel": _fixed("parallel(a,b)"),
    "parallel-3": _fixed("parallel(a,b,c)"),
    "parallel-stack": _fixed("parallel(stack(a,b),c)"),
    "stack-parallel": _fixed("stack(a,parallel(b,c))"),
    "batchsplit": _batch("batchsplit(a,b;{})"),
    "batchsplit-stack": _batch("batchsplit(stack(a,b),c;{})"),
    "stack-batchsplit": _batch("stack(a,batchsplit(b,c;{}))"),
    "stack": _fixed("stack(a,b)"),
    "average": _fixed("average(a,b)"),
}
"""Compositions with a prediction head for each adapter."""

OPEN: dict[str, Template] = {
    "stack-parallel-stack": _fixed("stack(a,parallel(stack(b,c),d))"),
    "stack-batchsplit-stack": _batch("stack(a,batchsplit(stack(b,c),d;{}))"),
    "fuse-stacks": _fixed("fuse(stack(a,b),stack(c,d))"),
    "average-negative": _fixed("average(a,b;-0.5,1.5)"),
}
"""Nests that the auditor does not judge right yet: met by every model on request, and to become `NESTS`."""

TASKS: dict[str, Template] = {
    "multitask-3": _fixed("multitask(a,b,c)"),
    "stack-multitask": _fixed("stack(a,multitask(b,c))"),
    "multitask-stack": _fixed("multitask(stack(a,b),c)"),
    "multitask-average": _fixed("multitask(average(a,b),c)"),
}
"""As NESTS, for releases with MultiTask."""

INVALID: dict[str, Template] = {
    "parallel-parallel": _fixed("parallel(parallel(a,b),c)"),
    "parallel-fuse": _fixed("parallel(a,fuse(b,c))"),
    "parallel-split": lambda b, s, r: f"parallel(a,{_split('b,c', s, r)})",
    "average-parallel": _fixed("average(parallel(a,b),c)"),
    "fuse-parallel": _fixed("fuse(a,parallel(b,c))"),
    "too-deep": _fixed("stack(a,parallel(average(b,c),d))"),
    "stack-in-stack": _fixed("stack(a,stack(b,c))"),
    "wrong-batch-sizes": lambda b, s, r: f"batchsplit(a,b;{b},1)",
    "wrong-splits": lambda b, s, r: f"split(a,b;{s},1)",
}
"""Set-ups that are wrong in themselves."""
