"""The step of a bisection: right for every row, whatever cannot be told, and with few questions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from adapter_audit.auditor.jobs.halving import Row

STATES = st.lists(st.sampled_from([True, False, None]), max_size=24)


@given(STATES)
def test_the_step_is_between_two_unlike_ones_with_nothing_told_between(states: list[bool | None]) -> None:
    row = Row(len(states), states.__getitem__)
    change = row.change()
    told = [state for state in states if state is not None]
    if change is None:
        assert len(set(told)) < 2
        assert set(row.states) == set(range(len(states)))
        return
    low, high = change
    assert low < high
    assert states[low] is not None
    assert states[high] is (not states[low])
    assert set(states[low + 1 : high]) <= {None}


@given(st.integers(2, 2000), st.data())
def test_one_step_takes_two_ends_and_a_halving(length: int, data: st.DataObject) -> None:
    step = data.draw(st.integers(1, length - 1))
    row = Row(length, lambda position: position >= step)
    assert row.change() == (step - 1, step)
    assert len(row.states) <= 2 + (length - 1).bit_length()
