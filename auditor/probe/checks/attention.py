"""The other attention implementation gives the same, where the model without adapters does so.

The model is switched in place where transformers can do that; older classes compute eagerly when they are
asked for the attention weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from ...facts.facts import Discrepancy
from ...schema.composition import Node, lane_count
from ..bench import Bench, NotApplicable, Ran
from ..output_gaps import lanes_gap

OTHER = {"sdpa": "eager", "eager": "sdpa"}
WEIGHTS = "output_attentions"

Run: TypeAlias = "Callable[[Node | None], Ran]"


def check_attention(bench: Bench) -> list[Discrepancy]:
    """The composition's answers do not depend on how attention is computed."""
    if bench.spec.mode != "forward" or WEIGHTS in bench.inputs:
        raise NotApplicable
    here = bench.composed()
    with _other_attention(bench) as (name, run):
        alike = _gap(bench, bench.known(None), run(None), 1)[1] <= bench.tolerance
        if not alike and not _was_alike(bench):
            raise NotApplicable  # the model itself: nothing that an adapter could be held to
        there = run(bench.tree)
        if there.failure is not None:
            raise NotApplicable  # another path than the audited one: `--attn` asks for it
        output, amount = _gap(bench, here, there, lane_count(bench.tree))
    if amount <= bench.tolerance:
        return []
    return [Discrepancy(check="attention", subject=name, output=output, deviation=amount)]


def _was_alike(bench: Bench) -> bool:
    """Whether the model gave the same with both before it was prepared; it has been switched by now."""
    if bench.raw is None or not _switches(bench.model):
        return False
    other = bench.model.config._attn_implementation
    ran = bench.run_raw(lambda model: model.set_attn_implementation(other))
    return _gap(bench, Ran(bench.raw), ran, 1)[1] <= bench.tolerance


@contextmanager
def _other_attention(bench: Bench) -> Iterator[tuple[str, Run]]:
    """What it is, in words, and how to run a composition with it."""
    now = getattr(bench.model.config, "_attn_implementation", None)
    other = OTHER.get(now or "")
    if _switches(bench.model) and other is not None and bench.model._supports_sdpa:
        with _switched(bench.model, other):
            yield f"{other} attention", bench.run
    elif now == "sdpa" and bench.subject.inputs is not None and WEIGHTS in bench.subject.inputs.signature:
        inputs = {**bench.inputs, WEIGHTS: True}
        yield WEIGHTS, lambda tree: bench.run(tree, inputs)
    else:
        raise NotApplicable


@contextmanager
def _switched(model: Any, other: str) -> Iterator[None]:
    """The model and its parts, which may differ, with another implementation for a while."""
    configs = {id(m.config): m.config for m in model.modules() if hasattr(m, "config")}
    before = [(config, getattr(config, "_attn_implementation", None)) for config in configs.values()]
    try:
        try:
            model.set_attn_implementation(other)
        except (ValueError, ImportError) as error:  # a part of the model has one implementation only
            raise NotApplicable from error
        yield
    finally:
        for config, kept in before:  # the whole first: it hands its own on to its parts
            config._attn_implementation = kept


def _switches(model: Any) -> bool:
    """Whether the model's own class, below the adapter library's, can be switched from run to run."""
    own = next((c for c in type(model).__mro__ if c.__module__.startswith("transformers.")), None)
    can = getattr(own, "_can_set_attn_implementation", None)
    return can is not None and bool(can())


def _gap(bench: Bench, here: Ran, there: Ran, lanes: int) -> tuple[str, float]:
    if here.failure is not None or there.failure is not None:
        return "", float("inf")
    return lanes_gap(bench, here.outputs, there.outputs, lanes, tuple(range(bench.rows)))
