"""Losses and gradients: every lane learns what its adapter learns alone, from its own labels."""

from __future__ import annotations

import torch

from ...facts.facts import Discrepancy
from ...schema.composition import lane_count
from ...schema.references import Reference
from ..bench import Bench, NotApplicable, Tensors


def check_loss(bench: Bench) -> list[Discrepancy]:
    """The loss is the mean over all rows of what they give alone, each with its own label.

    All rows have equally many labels, so that the mean over rows is the mean over lanes.
    """
    ran = bench.composed()
    if "loss" not in ran.outputs or len(bench.references) == 1:
        raise NotApplicable
    wanted = sum(_share(bench, r) * _loss_alone(bench, r) for r in bench.references)
    off = abs(float(ran.outputs["loss"]) - wanted) / (abs(wanted) or 1.0)
    if off <= bench.tolerance:
        return []
    detail = f"{float(ran.outputs['loss']):.4g} instead of {wanted:.4g}, the mean of the lanes' losses"
    return [Discrepancy(check="lanes", subject="the loss", output="loss", deviation=off, detail=detail)]


def _share(bench: Bench, reference: Reference) -> float:
    return len(reference.rows) / (bench.rows * lane_count(bench.tree))


def _loss_alone(bench: Bench, reference: Reference) -> float:
    """The loss of a reference on its rows. Raises NotApplicable where there is none to compare with."""
    rows = _rows_with_labels(bench, reference)
    ran = bench.reference(reference) if rows is None else bench.known(reference.tree, rows)
    if "loss" not in ran.outputs:
        raise NotApplicable
    return float(ran.outputs["loss"])


def _rows_with_labels(bench: Bench, reference: Reference) -> tuple[int, ...] | None:
    """The rows to run a reference on for its loss; None for all."""
    if len(reference.rows) == bench.rows:
        return None
    if bench.spec.mask not in ("none", "full"):
        raise NotApplicable  # alone, the rows would have other padding (`check_padding`)
    return reference.rows


def check_gradients(bench: Bench) -> list[Discrepancy]:
    """Gradients of every adapter are those of training it alone, and not zero everywhere."""
    if bench.spec.mode != "train":
        raise NotApplicable
    ran = bench.composed()
    alone = [bench.gradients_of(r) for r in bench.references]
    if any(r.failure is not None for r in alone):
        raise NotApplicable
    return _gradient_gap(bench, ran.gradients, _total([run.gradients for run in alone]), "")


def check_loss_gradients(bench: Bench) -> list[Discrepancy]:
    """The model's own loss teaches every adapter what the loss of its rows alone does, by their share."""
    ran = bench.composed()
    if bench.spec.mode != "train" or "loss" not in ran.outputs or len(bench.references) == 1:
        raise NotApplicable
    mine = bench.loss_gradients(bench.tree, None)
    alone = [bench.loss_gradients(r.tree, _rows_with_labels(bench, r)) for r in bench.references]
    if mine.failure is not None or any(run.failure is not None for run in alone):
        raise NotApplicable
    shares = [_share(bench, r) for r in bench.references]
    expected = _total(
        [{n: g * s for n, g in run.gradients.items()} for run, s in zip(alone, shares, strict=True)]
    )
    return _gradient_gap(bench, mine.gradients, expected, "not what the losses of the rows alone give")


def check_checkpointing(bench: Bench) -> list[Discrepancy]:
    """Recomputing layers in the backward pass changes no gradient."""
    if bench.spec.mode != "train" or not bench.spec.gradient_checkpointing:
        raise NotApplicable
    ran = bench.composed()
    plain = bench.run_without_checkpointing()
    if plain.failure is not None:
        raise NotApplicable
    return _gradient_gap(
        bench, ran.gradients, plain.gradients, "another one than without gradient checkpointing"
    )


def _total(runs: list[Tensors]) -> Tensors:
    """The sums of all gradients."""
    total: Tensors = {}
    for gradients in runs:
        for name, gradient in gradients.items():
            total[name] = total.get(name, torch.zeros_like(gradient)) + gradient
    return total


def _gradient_gap(bench: Bench, mine: Tensors, expected: Tensors, detail: str) -> list[Discrepancy]:
    """The parameter whose gradient is furthest off, relative to the largest gradient of all."""
    scale = max((float(g.abs().max()) for g in expected.values()), default=0.0) or 1.0
    worst, amount = "", 0.0
    for name in sorted(set(mine) | set(expected)):
        own = mine.get(name, torch.zeros(()))
        gap = float((own - expected.get(name, torch.zeros(()))).abs().max()) / scale
        if not gap <= amount:
            worst, amount = name, gap
    if amount <= bench.tolerance:
        return []
    return [Discrepancy(check="gradient", subject=worst, output=worst, deviation=amount, detail=detail)]
