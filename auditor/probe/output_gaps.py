"""Which outputs count, at which positions, and how far two sets of outputs are apart."""

from __future__ import annotations

from typing import Any

import torch

from ..knowledge.library_names import TRANSFORMERS
from .bench import Bench, Tensors
from .precision import SMALLEST_EFFECT, SURELY_REAL, deviation, distance


def answers(outputs: Tensors) -> Tensors:
    """The outputs that a caller uses row by row."""
    return {n: v for n, v in outputs.items() if not n.startswith(TRANSFORMERS.side_outputs) and v.dim()}


def worst_output(
    bench: Bench, actual: Tensors, expected: Tensors, rows: tuple[int, ...], source: tuple[int, ...]
) -> tuple[str, float]:
    """The answer that deviates most, and by how much.

    `rows` are rows of `actual`, `source` those of `expected` (of the caller's B). Outputs without a row for
    each of B, or with a number for each pair of rows, have no row-wise meaning.
    """
    worst, amount = "", 0.0
    for name, value in answers(expected).items():
        if value.shape[0] != bench.rows or name.startswith(TRANSFORMERS.pairwise_outputs):
            continue
        mine = _rows_of(actual.get(name), rows)
        theirs = value[list(source)]
        found = float("inf") if mine is None else masked_deviation(bench, name, mine, theirs, source)
        if found > amount:
            worst, amount = name, found
    return worst, amount


def lanes_gap(
    bench: Bench, whole: Tensors, other: Tensors, lanes: int, rows: tuple[int, ...]
) -> tuple[str, float]:
    """The answer that deviates most between two runs, lane by lane; `other` has these rows only."""
    found = [("", 0.0)]
    for lane in range(lanes):
        mine = tuple(lane * len(rows) + i for i in range(len(rows)))
        found.append(worst_output(bench, other, bench.lane_of(whole, lane, lanes), mine, rows))
    return max(found, key=lambda pair: pair[1])


def _rows_of(value: torch.Tensor | None, rows: tuple[int, ...]) -> torch.Tensor | None:
    """The rows, None when the tensor is missing or does not have them."""
    if value is None or not value.dim() or value.shape[0] <= max(rows):
        return None
    return value[list(rows)]


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
