"""The value invariants (docs/design.md, "What must hold"), each a function from the bench to discrepancies.

A check compares outputs of plain runs; only where something differs is the run recorded, to find the
first op that departs. A check that does not apply to the composition raises NotApplicable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch

from ...facts.facts import Departure, Discrepancy
from ...knowledge.library_names import TRANSFORMERS
from ...schema.composition import adapter_names, as_block, lane_count
from ...schema.references import Reference
from ...source.source_files import relative_file
from ...trace.records import Site
from ...trace.runs import Inputs
from ..bench import Bench, NotApplicable, Ran
from ..cause.first_departure import first_departure, writing_line
from ..cause.init_departure import init_departure
from ..output_gaps import answers, masked_deviation, worst_output
from ..precision import deviation
from .attention import check_attention
from .neutrality import check_neutrality
from .rows import check_masked_tokens, check_padding, check_single_rows
from .splits import check_splits
from .training import check_checkpointing, check_gradients, check_loss, check_loss_gradients

SMALLEST_EFFECT = 1e-9
"""A change smaller than this, relative to the largest value, is no effect: round-off stays below."""


def check_lanes(bench: Bench) -> list[Discrepancy]:
    """Rows of every lane and every batch part are what their reference gives."""
    ran = bench.composed()
    if len(bench.references) == 1 and as_block(bench.references[0].tree) == bench.tree:
        raise NotApplicable
    found: list[Discrepancy] = []
    for reference in bench.references:
        expected = bench.reference(reference)
        if expected.failure is None:
            found += _compare_rows(bench, reference, ran, expected)
    return found


def _compare_rows(bench: Bench, reference: Reference, ran: Ran, expected: Ran) -> list[Discrepancy]:
    rows = reference.output_rows(bench.rows)
    name, amount = worst_output(bench, ran.outputs, expected.outputs, rows, reference.rows)
    total = bench.rows * lane_count(bench.tree)
    wrong_rows = next(
        (v.shape[0] for v in (ran.outputs.get(name),) if v is not None and v.shape[0] != total), 0
    )
    if amount <= bench.tolerance:
        return []
    return [
        Discrepancy(
            check="lanes",
            subject="+".join(adapter_names(reference.tree)),
            lanes=(reference.lane,),
            output=name,
            deviation=amount,
            departure=first_departure(bench, reference),
            detail=f"{wrong_rows} rows instead of {total}" if wrong_rows else "",
        )
    ]


def check_effect(bench: Bench) -> list[Discrepancy]:
    """Every active adapter changes rows that it is responsible for."""
    ran = bench.composed()
    found: list[Discrepancy] = []
    for name in bench.names:
        own = [r for r in bench.references if name in adapter_names(r.tree)]
        if own and not _has_effect(bench, ran, own, name):
            found.append(Discrepancy(check="effect", subject=name, lanes=tuple(r.lane for r in own)))
            bench.idle.add(name)
    return found


def _has_effect(bench: Bench, ran: Ran, own: list[Reference], name: str) -> bool:
    if not bench.own_parameters(name):
        return False
    other = bench.with_moved(name)
    if other.failure is not None:
        return True  # it runs with some values and not with others: that is an effect
    return any(_moved(bench, ran, other, reference) for reference in own)


def _moved(bench: Bench, ran: Ran, other: Ran, reference: Reference) -> bool:
    """Whether any answer in the reference's rows differs between two runs of the composition."""
    rows = reference.output_rows(bench.rows)
    before = {n: v[list(rows)] for n, v in ran.outputs.items() if v.dim() and v.shape[0] > max(rows)}
    if not before:
        return True  # the lanes are not there: that is what is wrong
    for name, value in answers(before).items():
        if name not in other.outputs or other.outputs[name].shape != ran.outputs[name].shape:
            return True
        if (
            masked_deviation(bench, name, other.outputs[name][list(rows)], value, reference.rows)
            > SMALLEST_EFFECT
        ):
            return True
    return False


def check_modules(bench: Bench) -> list[Discrepancy]:
    """Every module of an active adapter takes part: one without a gradient is moved, and changes nothing.

    Adapters that do nothing at all are left to `check_effect`, layers that are to be skipped to the user.
    """
    ran = bench.composed()
    if bench.spec.mode not in ("forward", "train") or bench.spec.skip_layers:
        raise NotApplicable
    found: list[Discrepancy] = []
    try:
        with_gradient = bench.parameters_with_gradient()
    except RuntimeError as error:  # no backward through this forward: a matter of train mode
        raise NotApplicable from error
    for name in bench.names:
        own = [r for r in bench.references if name in adapter_names(r.tree) and r.rows]
        modules = _by_module(bench, name)
        idle = {m: ps for m, ps in modules.items() if not any(id(p) in with_gradient for _, p in ps)}
        if "inputs_embeds" in bench.inputs:  # they pass by what follows the token embedding, as asked
            idle = {m: ps for m, ps in idle.items() if any(part.isdigit() for part in m.split("."))}
        if not own or len(idle) == len(modules):
            continue
        dead = [m for m, parameters in idle.items() if not _moves_anything(bench, ran, own, parameters)]
        if dead:
            more = f" (and in {len(dead) - 1} more modules)" if len(dead) > 1 else ""
            lanes = tuple(r.lane for r in own)
            found.append(Discrepancy(check="module", subject=f"{name} in {dead[0]}{more}", lanes=lanes))
    return found


def _by_module(bench: Bench, name: str) -> dict[str, list[tuple[str, Any]]]:
    """An adapter's parameters by the layer that keeps them, or the layer that they are kept for in a pool."""
    modules: dict[str, list[tuple[str, Any]]] = {}
    for path, parameter in bench.own_parameters(name):
        layer, _, rest = path.partition(f".{name}.")
        if isinstance(bench.model.get_submodule(f"{layer}.{name}"), torch.nn.ModuleDict):
            layer = f"{layer} ({rest.partition('.')[0]})"
        modules.setdefault(layer, []).append((path, parameter))
    return modules


def _moves_anything(bench: Bench, ran: Ran, own: list[Reference], parameters: list[tuple[str, Any]]) -> bool:
    other = bench.run_with(parameters)
    return other.failure is not None or any(_moved(bench, ran, other, reference) for reference in own)


def check_isolation(bench: Bench) -> list[Discrepancy]:
    """An adapter changes only rows that it is responsible for, not even by a little.

    The other rows go through the same arithmetic whatever its weights are, so any change is a leak; one
    too small for `check_lanes` is seen here. Lanes that are wrong already are left to that check.
    """
    ran = bench.composed()
    found: list[Discrepancy] = []
    for name in bench.names:
        others = [r for r in bench.references if name not in adapter_names(r.tree)]
        others = [r for r in others if _is_right(bench, ran, r)]
        alone = _unshared(bench, name)
        if not others or not alone:
            continue
        other = bench.with_moved(name, alone)
        if other.failure is None:
            found += _leaks(bench, ran, other, others, name)
    return found


def _is_right(bench: Bench, ran: Ran, reference: Reference) -> bool:
    expected = bench.reference(reference)
    rows = reference.output_rows(bench.rows)
    return worst_output(bench, ran.outputs, expected.outputs, rows, reference.rows)[1] <= bench.tolerance


def _unshared(bench: Bench, name: str) -> list[tuple[str, Any]]:
    """Parameters that no other adapter has too (multi-task methods share some)."""
    shared = {id(p) for other in bench.names if other != name for _, p in bench.own_parameters(other)}
    return [(path, p) for path, p in bench.own_parameters(name) if id(p) not in shared]


def _leaks(
    bench: Bench, ran: Ran, other: Ran, references: list[Reference], name: str
) -> Iterator[Discrepancy]:
    total = bench.rows * lane_count(bench.tree)  # scores of beams, say, have other rows
    for reference in references:
        rows = list(reference.output_rows(bench.rows))
        mine = {n: v[rows] for n, v in ran.outputs.items() if v.dim() and v.shape[0] > max(rows)}
        for output, value in answers(mine).items():
            if output.startswith(TRANSFORMERS.pairwise_outputs):
                continue
            theirs = other.outputs.get(output)
            if theirs is None or theirs.shape != ran.outputs[output].shape or theirs.shape[0] != total:
                continue
            amount = masked_deviation(bench, output, theirs[rows], value, reference.rows)
            if amount > SMALLEST_EFFECT:
                yield Discrepancy(
                    check="lanes",
                    subject="+".join(adapter_names(reference.tree)),
                    lanes=(reference.lane,),
                    output=output,
                    deviation=amount,
                    detail=f"it changes by {amount:.2g} of the largest value with {name}, which is not in it",
                )
                break


def check_init(bench: Bench) -> list[Discrepancy]:
    """`adapters.init` alone changes no output."""
    if bench.raw is None:
        raise NotApplicable
    ran = bench.known(None)
    rows = tuple(range(bench.rows))
    name, amount, detail = "the result", float("inf"), ""
    if ran.failure is not None:
        detail = f"it fails, {ran.failure.kind}: {ran.failure.message}"
    else:
        name, amount = worst_output(bench, ran.outputs, bench.raw, rows, rows)
    if amount <= bench.tolerance:
        return []
    return [
        Discrepancy(
            check="init",
            subject="no adapter",
            output=name,
            deviation=amount,
            departure=init_departure(bench),
            detail=detail,
        )
    ]


def check_cache(bench: Bench) -> list[Discrepancy]:
    """Decoding with a cache gives what full forwards give, where it does so without adapters.

    With beams only what comes of them is reported: that beams and their caches part.
    """
    if bench.spec.mode not in ("generate", "beam"):
        raise NotApplicable
    ran, full = bench.composed(), bench.run(bench.tree, use_cache=False)
    gap = _steps_gap(ran, full)
    if gap <= bench.tolerance:
        return []
    if _steps_gap(bench.known(None), bench.run(None, use_cache=False)) > bench.tolerance:
        raise NotApplicable
    if bench.spec.mode == "beam" and not _decodes_greedily(bench):
        raise NotApplicable  # a matter of `--mode generate`
    return [Discrepancy(check="cache", subject="decoding with a cache", output="scores", deviation=gap)]


def _decodes_greedily(bench: Bench) -> bool:
    """Whether the cache is right where there is one beam only."""
    with_cache, without = (bench.run(bench.tree, use_cache=u, mode="generate") for u in (True, False))
    return _steps_gap(with_cache, without) <= bench.tolerance


def _steps_gap(one: Ran, other: Ran) -> float:
    """Largest deviation of the sequences and of the scores of every step."""
    if one.failure is not None or other.failure is not None:
        return 0.0 if one.failure is not None and other.failure is not None else float("inf")
    names = [n for n in one.outputs if n.startswith(("sequences", "scores", "logits"))]
    return max(
        (deviation(one.outputs[n], other.outputs[n]) if n in other.outputs else float("inf") for n in names),
        default=0.0,
    )


def check_strength(bench: Bench) -> list[Discrepancy]:
    """An adapter's `alpha` changes what it does."""
    if bench.spec.mode != "forward":
        raise NotApplicable
    found: list[Discrepancy] = []
    methods = {bench.job.methods.get(name, name): name for name in bench.names}
    for name in methods.values():
        alone = bench.known(name)
        if alone.failure is not None:
            continue
        try:
            with bench.library.other_strength(bench.model, name) as (copy, module):
                bench.model.to(bench.dtype)
                found += _without_strength(bench, name, alone, bench.run(copy), module)
        except LookupError:
            continue
    return found


def _without_strength(bench: Bench, name: str, one: Ran, other: Ran, module: Any) -> list[Discrepancy]:
    rows = tuple(range(bench.rows))
    if (
        other.failure is not None
        or worst_output(bench, other.outputs, one.outputs, rows, rows)[1] > SMALLEST_EFFECT
    ):
        return []
    code = type(module).forward.__code__
    site = Site(relative_file(code.co_filename) or "", code.co_firstlineno, "forward")
    return [Discrepancy(check="strength", subject=name, departure=Departure(0, "", site, "forward", 0.0))]


def check_purity(bench: Bench) -> list[Discrepancy]:
    """A call after all those of other checks gives what the first one gave, and so does the one right after.

    Both get the very same tensors, which must stay as they were.
    """
    ran = bench.composed()
    given: Inputs = {k: v.clone() if isinstance(v, torch.Tensor) else v for k, v in bench.inputs.items()}
    bench.subject.activate(bench.tree)
    for call in ("a later call", "a second call in a row"):
        found = _other_result(bench, call, ran, bench.run_on(given)) or _mutated(bench, given)
        if found:
            return found
    return []


def _other_result(bench: Bench, call: str, ran: Ran, again: Ran) -> list[Discrepancy]:
    if again.failure is not None:
        words = f"it fails, {again.failure.kind}: {again.failure.message}"
        return [Discrepancy(check="purity", subject=call, detail=words)]
    gaps = {
        name: deviation(again.outputs[name], value) if name in again.outputs else float("inf")
        for name, value in ran.outputs.items()
    }
    name = max(gaps, key=lambda n: gaps[n], default="")
    if not name or gaps[name] <= bench.tolerance:
        return []
    return [Discrepancy(check="purity", subject=call, output=name, deviation=gaps[name])]


def _mutated(bench: Bench, given: Inputs) -> list[Discrepancy]:
    names = [
        name
        for name, value in bench.inputs.items()
        if isinstance(value, torch.Tensor) and deviation(given[name], value) > 0
    ]
    return [
        Discrepancy(
            check="purity",
            subject=f"the caller's {name}",
            output=name,
            departure=writing_line(bench, tuple(bench.inputs[name].shape)),
        )
        for name in names
    ]


CHECKS: tuple[Callable[[Bench], list[Discrepancy]], ...] = (
    check_lanes,
    check_loss,
    check_gradients,
    check_loss_gradients,
    check_checkpointing,
    check_effect,
    check_modules,
    check_isolation,
    check_init,
    check_neutrality,
    check_splits,
    check_attention,
    check_padding,
    check_masked_tokens,
    check_single_rows,
    check_cache,
    check_strength,
    check_purity,
)
