"""The value invariants of DESIGN section 3, each a function from the bench to discrepancies.

A check compares outputs of plain runs; only where something differs is the run recorded, to find the
first op that departs. A check that does not apply to the composition raises NotApplicable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch

from ..compose import Block, Node, adapter_names, walk
from ..facts import Discrepancy
from ..inputs import Inputs
from ..references import Reference
from .bench import Bench, Outputs
from .causes import first_departure, init_departure
from .precision import TOLERANCE, deviation
from .weights import randomise_adapter

SIDE_OUTPUTS = ("loss", "scores", "sequences_scores", "beam_indices", "encoder_", "cross_")
"""Outputs that are no answer by themselves: a mean over rows, or states that show up in later ones."""


class NotApplicable(Exception):
    """The check has nothing to say about this composition."""


def check_lanes(bench: Bench) -> list[Discrepancy]:
    """Rows of every lane and every batch part are what their reference gives."""
    outputs, failure = bench.known(bench.tree)
    if failure is not None:
        raise NotApplicable
    if len(bench.references) == 1 and bench.references[0].tree == bench.tree:
        raise NotApplicable
    found: list[Discrepancy] = []
    for reference in bench.references:
        expected, alone_failed = bench.reference(reference)
        if alone_failed is None:
            found += _compare_rows(bench, reference, outputs, expected)
    return found


def _compare_rows(bench: Bench, reference: Reference, outputs: Outputs, expected: Outputs) -> list[Discrepancy]:
    name, amount = worst_output(outputs, expected, reference.output_rows(bench.rows))
    if amount <= TOLERANCE:
        return []
    total = bench.rows * (1 + max(r.lane for r in bench.references))
    wrong_rows = name in outputs and outputs[name].shape[:1] != (total,)
    return [
        Discrepancy(
            check="lanes",
            subject="+".join(adapter_names(reference.tree)),
            lanes=(reference.lane,),
            output=name,
            deviation=amount,
            departure=first_departure(bench, reference),
            detail=f"{outputs[name].shape[0]} rows instead of {total}" if wrong_rows else "",
        )
    ]


def worst_output(outputs: Outputs, expected: Outputs, rows: tuple[int, ...]) -> tuple[str, float]:
    """The answer that deviates most on these rows of the composition's output, and by how much."""
    worst, amount = "", 0.0
    for name, value in expected.items():
        if name.startswith(SIDE_OUTPUTS) or value.dim() == 0 or value.shape[0] != len(rows):
            continue
        actual = outputs.get(name)
        own = _rows_of(actual, rows) if actual is not None else None
        found = deviation(own, value) if own is not None else float("inf")
        if found > amount:
            worst, amount = name, found
    return worst, amount


def _rows_of(value: torch.Tensor, rows: tuple[int, ...]) -> torch.Tensor | None:
    """The rows, None when the tensor does not have them."""
    return value[list(rows)] if value.dim() and value.shape[0] > max(rows) else None


def check_effect(bench: Bench) -> list[Discrepancy]:
    """Every active adapter changes every row that it is responsible for."""
    found: list[Discrepancy] = []
    for name in bench.names:
        own = [r for r in bench.references if name in adapter_names(r.tree)]
        if own and not any(_has_effect(bench, r, name) for r in own):
            found.append(Discrepancy(check="effect", subject=name, lanes=tuple(r.lane for r in own)))
    return found


def _has_effect(bench: Bench, reference: Reference, name: str) -> bool:
    outputs, failure = bench.reference(reference)
    if failure is not None:
        return True  # the stop is what is wrong with it
    others, failed = _without(bench, reference, name)
    return failed or _changed(outputs, others)


def _without(bench: Bench, reference: Reference, name: str) -> tuple[Outputs, bool]:
    """The reference with this adapter's parameters changed (or, for a lone adapter, without it)."""
    if reference.tree in (name, Block("stack", (name,))):
        outputs, failure = bench.known(None, reference.rows)
    else:
        with changed_parameters(bench, name):
            outputs, failure = bench.run(reference.tree, bench.inputs_of(reference.rows))
    return outputs, failure is not None


def _changed(outputs: Outputs, others: Outputs) -> bool:
    for name, value in outputs.items():
        if name.startswith(SIDE_OUTPUTS) or name not in others:
            continue
        if deviation(others[name], value) > TOLERANCE:
            return True
    return False


@contextmanager
def changed_parameters(bench: Bench, name: str) -> Iterator[None]:
    """One adapter's parameters moved elsewhere for a while."""
    parameters = bench.own_parameters(name)
    saved = [p.detach().clone() for _, p in parameters]
    randomise_adapter(parameters, seed=77)
    try:
        yield
    finally:
        _restore(parameters, saved)


def _restore(parameters: list[tuple[str, Any]], saved: list[torch.Tensor]) -> None:
    with torch.no_grad():
        for (_, parameter), value in zip(parameters, saved, strict=True):
            parameter.copy_(value)


def check_init(bench: Bench) -> list[Discrepancy]:
    """`adapters.init` alone changes no output."""
    if bench.raw is None:
        raise NotApplicable
    outputs, failure = bench.known(None)
    if failure is not None:
        raise NotApplicable
    rows = tuple(range(bench.rows))
    name, amount = worst_output(outputs, bench.raw, rows)
    if amount <= TOLERANCE:
        return []
    cause = init_departure(bench)
    return [Discrepancy(check="init", subject="no adapter", output=name, deviation=amount, departure=cause)]


def check_neutrality(bench: Bench) -> list[Discrepancy]:
    """Average and Split of equal adapters are that adapter."""
    found: list[Discrepancy] = []
    applied = False
    for block in _whole_blocks(bench):
        names = [c for c in block.children if isinstance(c, str)]
        if len(names) != len(block.children) or not _alike(bench, names):
            continue
        applied = True
        with equal_parameters(bench, names):
            outputs, failure = bench.run(_as_tree(block))
            expected, alone = bench.run(names[0])
        if failure is None and alone is None:
            name, amount = worst_output(outputs, expected, tuple(range(bench.rows)))
            if amount > TOLERANCE:
                subject = f"{block.kind} of equal adapters"
                found.append(Discrepancy(check="neutrality", subject=subject, output=name, deviation=amount))
    if not applied:
        raise NotApplicable
    return found


def _whole_blocks(bench: Bench) -> Iterator[Block]:
    for block in walk(bench.tree):
        if block.kind == "average" or (block.kind == "split" and block is bench.tree):
            yield block


def _as_tree(block: Block) -> Node:
    """Weights that do not sum to one would scale: the library normalises them, equal ones are neutral."""
    return replace(block, numbers=None) if block.kind == "average" else block


def _alike(bench: Bench, names: list[str]) -> bool:
    shapes = [[tuple(p.shape) for _, p in bench.own_parameters(n)] for n in names]
    return all(s == shapes[0] for s in shapes) and bool(shapes[0])


@contextmanager
def equal_parameters(bench: Bench, names: list[str]) -> Iterator[None]:
    """All these adapters with the first one's parameters for a while."""
    first = [p.detach().clone() for _, p in bench.own_parameters(names[0])]
    saved = {n: [p.detach().clone() for _, p in bench.own_parameters(n)] for n in names}
    for name in names:
        _restore(bench.own_parameters(name), first)
    try:
        yield
    finally:
        for name in names:
            _restore(bench.own_parameters(name), saved[name])


def check_purity(bench: Bench) -> list[Discrepancy]:
    """The same call twice gives the same result, and the caller's tensors stay as they were."""
    outputs, failure = bench.known(bench.tree)
    if failure is not None:
        raise NotApplicable
    again, failed = bench.run(bench.tree)
    if failed is not None:
        return [Discrepancy(check="purity", subject="a second call", detail=f"{failed.kind}: {failed.message}")]
    for name, value in outputs.items():
        amount = deviation(again[name], value) if name in again else float("inf")
        if amount > TOLERANCE:
            return [Discrepancy(check="purity", subject="a second call", output=name, deviation=amount)]
    return _mutated_inputs(bench)


def _mutated_inputs(bench: Bench) -> list[Discrepancy]:
    given: Inputs = {k: v.clone() if isinstance(v, torch.Tensor) else v for k, v in bench.inputs.items()}
    bench.run_in_place(given)
    return [
        Discrepancy(check="purity", subject=f"the caller's {name}", output=name)
        for name, value in bench.inputs.items()
        if isinstance(value, torch.Tensor) and deviation(given[name], value) > 0
    ]


CHECKS: tuple[Callable[[Bench], list[Discrepancy]], ...] = (
    check_lanes,
    check_effect,
    check_init,
    check_neutrality,
    check_purity,
)
