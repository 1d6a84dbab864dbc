"""What exceptions mean: real ones, raised by Python, torch and this release's own words for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from adapter_audit.auditor.facts.stop_causes import cause_of, unbound_local
from adapter_audit.auditor.schema.verdicts import Cause
from adapter_audit.auditor.trace.records import Failure

two, three = torch.zeros(2, 4), torch.zeros(3, 4)


def uses_unbound(late: bool = False) -> Any:
    if late:
        bound = 1
    return bound


def sets_before_init() -> None:
    class Early(torch.nn.Module):
        def __init__(self) -> None:
            self.weight = torch.nn.Parameter(two)

    Early()


def overwrites() -> None:
    weight = torch.ones(2, requires_grad=True)
    squared = weight.exp()
    squared.add_(1)
    squared.sum().backward()


RAISED: list[tuple[Callable[[], Any], Cause]] = [
    (lambda: two + three, Cause.SIZES_DIFFER),
    (lambda: torch.cat([two, torch.zeros(2, 2, 5)], 1), Cause.STOPPED),
    (lambda: torch.cat([two, torch.zeros(3, 3)], 1), Cause.SIZES_DIFFER),
    (lambda: two.view(3, 5), Cause.SIZES_DIFFER),
    (lambda: torch.zeros(0, 4) + three, Cause.EMPTY_OPERAND),
    (lambda: torch.zeros(1, 1, 3, 5) + torch.zeros(1, 1, 3, 3), Cause.KEYS_LONGER),
    (lambda: torch.bmm(torch.zeros(2, 3, 4), torch.zeros(3, 4, 5)), Cause.SIZES_DIFFER),
    (lambda: two @ three, Cause.WIDTHS_DIFFER),
    (lambda: 1 // 0, Cause.NOTHING_LEFT),
    (lambda: {}["a"], Cause.KEY_MISSING),
    (lambda: None[:1], Cause.NONE_READ),  # type: ignore[index]
    (lambda: None.size, Cause.NONE_READ),  # type: ignore[attr-defined]
    (lambda: torch.cat([None, two]), Cause.NONE_READ),  # type: ignore[list-item]
    (lambda: torch.cat([two, None]), Cause.NONE_COMBINED),  # type: ignore[list-item]
    (lambda: None + two, Cause.NONE_COMBINED),  # type: ignore[operator]
    (lambda: {[]: 1}, Cause.BLOCK_FOR_NAME),
    (lambda: ",".join([1]), Cause.BLOCK_FOR_NAME),  # type: ignore[list-item]
    (uses_unbound, Cause.LOCAL_UNBOUND),
    (sets_before_init, Cause.MODULE_NOT_INITIALISED),
    (overwrites, Cause.WRITTEN_IN_PLACE),
    (lambda: torch.linalg.cholesky(-torch.eye(2)), Cause.STOPPED),
    (lambda: "".batch_sizes, Cause.STOPPED),  # type: ignore[attr-defined]
]


def failure(act: Callable[[], Any], *, deliberate: bool = False) -> Failure:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - which one is what is asked
        act()
    return Failure(type(caught.value).__name__, str(caught.value), None, "", deliberate=deliberate)


@pytest.mark.parametrize(
    ("act", "cause"), RAISED, ids=lambda value: value.name if isinstance(value, Cause) else ""
)
def test_cause(act: Callable[[], Any], cause: Cause) -> None:
    found = failure(act)
    assert cause_of(found) is cause, found
    assert cause_of(failure(act, deliberate=True)) is Cause.REFUSED


def test_the_unbound_name_is_told() -> None:
    assert unbound_local(failure(uses_unbound)) == "bound"
    assert unbound_local(failure(lambda: {}["bound"])) == ""
