"""Which outputs count, at which positions, and how far two sets of outputs are apart."""

from __future__ import annotations

from typing import Any

import torch

from ..knowledge.library_names import TRANSFORMERS
from ..trace.output_names import own_name
from .bench import Bench, Tensors
from .output_sets import places_in
from .precision import SMALLEST_EFFECT, SURELY_REAL, deviation, distance


def answers(outputs: Tensors) -> Tensors:
    """The outputs that a caller uses row by row."""
    side = TRANSFORMERS.side_outputs
    return {n: v for n, v in outputs.items() if not own_name(n).startswith(side) and v.dim()}


def worst_output(
    bench: Bench, mine: Tensors, expected: Tensors, source: tuple[int, ...]
) -> tuple[str, float]:
    """The answer that deviates most, and by how much.

    `mine` has the rows that are to be those at `source` in `expected` (of the caller's B). Outputs without a
    row for each of B, or with a number for each pair of rows, have no row-wise meaning.
    """
    worst, amount = "", 0.0
    for name, value in answers(expected).items():
        if value.shape[0] != bench.rows or name.startswith(TRANSFORMERS.pairwise_outputs):
            continue
        theirs = value[list(source)]
        found = masked_deviation(bench, name, mine[name], theirs, source) if name in mine else float("inf")
        if found > amount:
            worst, amount = name, found
    return worst, amount


def plain_gap(bench: Bench, actual: Tensors, expected: Tensors) -> tuple[str, float]:
    """The answer that deviates most between two runs without lanes, and by how much."""
    mine = {n: v[: bench.rows] for n, v in actual.items() if v.dim() and v.shape[0] >= bench.rows}
    return worst_output(bench, mine, expected, tuple(range(bench.rows)))


def lanes_gap(
    bench: Bench, whole: Tensors, other: Tensors, lanes: int, rows: tuple[int, ...]
) -> tuple[str, float]:
    """The answer that deviates most between two runs, lane by lane; `other` has these rows only."""
    found = [("", 0.0)]
    for lane in range(lanes):
        for name, value in answers(whole).items():
            if own_name(name).startswith(TRANSFORMERS.pairwise_outputs):
                continue
            amount = _lane_gap(bench, name, value, other.get(name), lane, lanes, rows)
            found.append((own_name(name), amount))
    return max(found, key=lambda pair: pair[1])


def _lane_gap(
    bench: Bench,
    name: str,
    value: torch.Tensor,
    other: torch.Tensor | None,
    lane: int,
    lanes: int,
    rows: tuple[int, ...],
) -> float:
    """How far these rows of a lane are from the same in a run on them only; zero where it has none."""
    here = places_in(name, bench.subject.heads, lanes, bench.rows)
    there = places_in(name, bench.subject.heads, lanes, len(rows))
    kept = [(at, row) for at, row in enumerate(rows) if (lane, row) in here and (lane, at) in there]
    if not kept or value.shape[0] != len(here):
        return 0.0
    if other is None or not other.dim() or other.shape[0] < len(there):
        return float("inf")
    mine = other[[there[lane, at] for at, _ in kept]]
    theirs = value[[here[lane, row] for _, row in kept]]
    return masked_deviation(bench, own_name(name), mine, theirs, tuple(row for _, row in kept))


def masked_deviation(
    bench: Bench, name: str, mine: torch.Tensor, value: torch.Tensor, source: tuple[int, ...]
) -> float:
    """`noisy_deviation`; positions that are padding mean nothing and are left out."""
    mask = _mask_for(bench, name, value)
    if mask is None or mine.shape != value.shape:
        return noisy_deviation(bench, name, mine, value)
    kept = mask[list(source)].reshape(len(source), -1, *[1] * (value.dim() - 2))
    return noisy_deviation(bench, name, torch.where(kept, mine, 0), torch.where(kept, value, 0))


def noisy_deviation(bench: Bench, name: str, mine: torch.Tensor, value: torch.Tensor) -> float:
    """`deviation` of an output, where it is more than round-off; that is measured only if it could be."""
    amount = deviation(mine, value)
    if amount <= SMALLEST_EFFECT or distance(mine, value) > SURELY_REAL:
        return amount
    return deviation(mine, value, bench.noise_of(name))


def _mask_for(bench: Bench, name: str, value: torch.Tensor) -> torch.Tensor | None:
    """The [B, length] padding mask of an output by position, None where there is none."""
    decodes = (
        "decoder_input_ids" in bench.inputs
        or "decoder_inputs_embeds" in bench.inputs
        or (bench.subject.inputs is not None and bench.subject.inputs.decodes)
    )
    mask: Any = bench.inputs.get("decoder_attention_mask" if decodes else "attention_mask")
    if (
        mask is None
        or mask.dim() != 2
        or not value.is_floating_point()
        or value.dim() < 2
        or bench.spec.mode in ("generate", "beam")
    ):
        return None
    if value.dim() == 2 and not name.endswith("_logits"):
        return None
    length, known = value.shape[1], mask.shape[1]
    if length < known:
        return None
    front = torch.ones(mask.shape[0], length - known, dtype=mask.dtype)  # prompts come first
    result: torch.Tensor = torch.cat([front, mask], dim=1).bool()
    return result
