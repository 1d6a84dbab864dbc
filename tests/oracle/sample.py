"""A few cases of the grid that meet every stratum: model, block, method, mode, and what else a spec says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .grid import Spec, grid

POOL = 3000
"""Cases of the grid to choose from."""
Stratum = tuple[str, str]


def stratified(seed: int, size: int, release: str, folder: Path) -> list[Spec]:
    """The same `size` cases for the same seed: again and again the one that brings the most new strata."""
    pool = [(spec, frozenset(strata(spec))) for spec in grid(seed, POOL, release, folder)]
    met: set[Stratum] = set()
    chosen: list[Spec] = []
    while len(chosen) < size:
        index = max(range(len(pool)), key=lambda i: len(pool[i][1] - met))
        spec, brings = pool.pop(index)
        met |= brings
        chosen.append(spec)
    return chosen


def strata(spec: Spec) -> Iterator[Stratum]:
    """What a case stands for."""
    block = spec["compose"].partition("(")[0]
    mode = "checkpointing" if spec.get("gradient_checkpointing") else spec["mode"]
    yield "model", Path(spec["model"]).name
    yield "block in mode", f"{block} {mode}"
    for config in set(spec["adapters"].values()):
        for method in config.split("|"):
            yield "method", method.partition("[")[0]
            yield "block of method", f"{block} {method.partition('[')[0]}"
            yield "layers", f"{'leave_out' in method or 'layers=' in method}"
    yield "rows", str(spec["batch"])
    yield "mask", spec["mask"]
    yield "nested", str(spec["compose"].count("(") > 1)
    for name in ("attn", "head", "skip_layers"):
        yield name, str(spec.get(name))
    for name in spec.get("inputs", ()):
        yield "input", name
