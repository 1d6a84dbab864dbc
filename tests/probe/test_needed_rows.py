"""Which rows go into given rows, through cuts, permutations, joins and folds."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from adapter_audit.auditor.probe.cause.known_rows import KnownRows
from adapter_audit.auditor.probe.cause.needed_rows import needed_rows
from adapter_audit.auditor.probe.witness import Witness
from adapter_audit.auditor.trace.recorder import recording

STATES = torch.arange(6 * 4, dtype=torch.float64).view(6, 4).sin()


def recorded(run: Callable[[torch.Tensor], torch.Tensor]) -> Witness:
    witness = Witness(torch.nn.Identity())
    with recording(witness):
        run(STATES.exp())
    return witness


def swapped(states: torch.Tensor) -> torch.Tensor:
    one, other = states.split(3)
    return torch.cat([other, one])


@pytest.mark.parametrize(
    ("run", "rows", "needed"),
    [
        (swapped, {0, 4}, {3, 1}),
        (lambda s: s[torch.tensor([2, 0, 1])], {0}, {2}),
        (lambda s: s[2:5].relu(), {1}, {3}),
        (lambda s: s.repeat(2, 1), {7}, {1}),
        (lambda s: s.roll(2, 0), {0}, {4}),
        (lambda s: s.mean(0, keepdim=True), {0}, set()),
    ],
)
def test_rows_are_followed(
    run: Callable[[torch.Tensor], torch.Tensor], rows: set[int], needed: set[int]
) -> None:
    witness = recorded(run)
    last = witness.trace.records[-1]
    found = needed_rows(witness, last, rows, lambda record: True)
    assert found.get((0, 0), set()) == needed


def test_rows_are_known_wherever_they_lie() -> None:
    known = KnownRows([recorded(lambda s: s + 1)], 1e-5)
    value = STATES.exp() + 1
    assert known.know(value[[4, 0]])
    changed = value.clone()
    changed[0, 0] += 0.1
    assert not known.know(changed)
    assert known.count(changed) == 5
