"""What a row gives depends on that row alone: not on other rows, nor on what stands in its padding."""

from __future__ import annotations

from ...facts.facts import Discrepancy
from ...schema.composition import adapter_names, lane_count, walk
from ...trace.runs import Inputs
from ..bench import Bench, NotApplicable
from ..output_gaps import answers, lanes_gap, masked_deviation


def check_padding(bench: Bench) -> list[Discrepancy]:
    """Rows of a BatchSplit or MultiTask part are the same without the other, differently padded rows."""
    parts = [r for r in bench.references if len(r.rows) < bench.rows]
    if not parts or "attention_mask" not in bench.inputs:
        raise NotApplicable
    for part in parts:
        whole, alone = bench.reference(part), bench.known(part.tree, part.rows)
        if whole.failure is not None or alone.failure is not None:
            continue
        mine = {
            n: v[list(part.rows)] for n, v in whole.outputs.items() if v.dim() and v.shape[0] == bench.rows
        }
        for name, value in answers(alone.outputs).items():
            if name not in mine or mine[name].shape != value.shape or value.shape[0] != len(part.rows):
                continue
            amount = masked_deviation(bench, name, mine[name], value, part.rows)
            if amount > bench.tolerance:
                who = "+".join(adapter_names(part.tree))
                return [Discrepancy(check="padding", subject=who, output=name, deviation=amount)]
    return []


def check_masked_tokens(bench: Bench) -> list[Discrepancy]:
    """Other tokens at padded positions change nothing, where they change nothing without adapters."""
    mask, ids = bench.inputs.get("attention_mask"), bench.inputs.get("input_ids")
    if mask is None or ids is None or mask.shape != ids.shape or bool(mask.all()):
        raise NotApplicable
    shifted = ids.roll(1, 1).where(mask == 0, ids)  # ordinary tokens of the same row, some of them padding
    return _unchanged(bench, "masked", {**bench.inputs, "input_ids": shifted}, tuple(range(bench.rows)))


def check_single_rows(bench: Bench) -> list[Discrepancy]:
    """The last row, alone in the batch, gives what it gives among others."""
    bound = any(block.kind == "batchsplit" for block in walk(bench.tree))
    if bench.spec.mode not in ("forward", "train") or bound or bench.rows == 1:
        raise NotApplicable
    if bench.spec.mask not in ("none", "full"):
        raise NotApplicable  # alone, it would have other padding
    last = (bench.rows - 1,)
    return _unchanged(bench, "alone", bench.inputs_of(last), last)


def _unchanged(bench: Bench, check: str, inputs: Inputs, rows: tuple[int, ...]) -> list[Discrepancy]:
    """These rows of the composition are the same on other inputs, if they are without adapters."""
    here, there = bench.composed(), bench.run(bench.tree, inputs)
    if there.failure is not None:
        raise NotApplicable  # that another batch stops proves nothing about this one
    name, amount = lanes_gap(bench, here.outputs, there.outputs, lane_count(bench.tree), rows)
    if amount <= bench.tolerance:
        return []
    base, other = bench.known(None), bench.run(None, inputs)
    if base.failure is not None or other.failure is not None:
        raise NotApplicable
    if lanes_gap(bench, base.outputs, other.outputs, 1, rows)[1] > bench.tolerance:
        raise NotApplicable
    return [Discrepancy(check=check, subject=name, output=name, deviation=amount)]
