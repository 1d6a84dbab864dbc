"""Carried values on the meta device: views alias, writes show through, unknown stays unknown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from adapter_audit.auditor.trace.meta.carried_values import Carrier
from adapter_audit.auditor.trace.recorder import Recorder, recording

VIEWS: dict[str, Callable[[Tensor, int], Tensor]] = {
    "transpose": lambda t, k: t.transpose(0, k % t.dim()),
    "slice": lambda t, k: t[k % t.shape[0] :],
    "step": lambda t, k: t[..., :: 1 + k % 2],
    "select": lambda t, k: t[k % t.shape[0]] if t.dim() > 1 else t,
    "unsqueeze": lambda t, k: t.unsqueeze(k % (t.dim() + 1)) if t.dim() < 5 else t,
    "flip": lambda t, k: t.flip(0),
    "reshape": lambda t, k: t.reshape(-1),
    "diagonal": lambda t, k: t.diagonal() if t.dim() > 2 else t,
}
WRITES: dict[str, Callable[[Tensor, int], Any]] = {
    "add_": lambda t, k: t.add_(k),
    "mul_": lambda t, k: t.mul_(2),
    "fill_": lambda t, k: t.fill_(k),
    "setitem": lambda t, k: t.__setitem__(0, k),
    "masked_fill_": lambda t, k: t.masked_fill_(t > k, -1),
    "clamp_": lambda t, k: t.clamp_(max=k + 3),
}
MAKES: dict[str, Callable[[Tensor, int], Tensor]] = {
    "clone": lambda t, k: t.clone(),
    "plus": lambda t, k: t + k,
    "cumsum": lambda t, k: t.cumsum(0),
    "greater": lambda t, k: (t > k).long(),
    "nonzero": lambda t, k: t.nonzero() if t.count_nonzero() else t,
    "mask": lambda t, k: t[t > k] if bool((t > k).any()) else t,
    "repeat": lambda t, k: torch.cat([t, t]) if t.numel() < 100 else t,
}
OPS = VIEWS | WRITES | MAKES
steps = st.lists(st.tuples(st.sampled_from(sorted(OPS)), st.integers(0, 7), st.integers(0, 30)), max_size=10)


def played(start: Tensor, program: list[tuple[str, int, int]]) -> list[Any]:
    """Apply the ops to a growing pool of tensors that alias each other; what they hold at the end."""
    pool = [start]
    for name, k, which in program:
        out = OPS[name](pool[which % len(pool)], k)
        if isinstance(out, Tensor) and out.numel() and out.dim():
            pool.append(out)
    return [t.tolist() for t in pool]


@given(steps)
def test_values_and_aliases_are_those_of_real_tensors(program: list[tuple[str, int, int]]) -> None:
    start = torch.arange(24).reshape(2, 3, 4) % 7
    expected = played(start.clone(), program)
    recorder = Recorder(torch.nn.Identity())
    with recording(recorder):
        meta = torch.empty_like(start, device="meta")
        recorder.carrier.attach(meta, start)
        found = played(meta, program)
    assert found == expected
    assert not recorder.trace.unknowns


def carried(value: Tensor) -> tuple[Carrier, Tensor]:
    carrier = Carrier()
    return carrier, carrier.attach(torch.empty_like(value, device="meta"), value)


def test_a_view_reads_and_writes_its_base() -> None:
    carrier, meta = carried(torch.arange(6).reshape(2, 3))
    row = meta[1]
    value = carrier.value(row)
    assert value is not None
    value.fill_(9)
    assert carrier.value(meta).tolist() == [[0, 1, 2], [9, 9, 9]]  # type: ignore[union-attr]


def test_expanded_values_overlap_and_agree() -> None:
    carrier = Carrier()
    meta = torch.empty(1, 3, device="meta", dtype=torch.long).expand(4, 3)
    carrier.attach(meta, torch.arange(3).expand(4, 3))
    assert carrier.value(meta).tolist() == [[0, 1, 2]] * 4  # type: ignore[union-attr]


def test_expand_of_a_carried_tensor_sees_later_writes() -> None:
    recorder = Recorder(torch.nn.Identity())
    with recording(recorder):
        base = torch.zeros(1, 2, dtype=torch.long, device="meta")
        recorder.carrier.attach(base, torch.tensor([[1, 2]]))
        wide = base.expand(3, 2)
        base.add_(1)
        assert wide.tolist() == [[2, 3]] * 3


def test_a_write_of_something_unknown_is_forgotten() -> None:
    carrier, meta = carried(torch.ones(3))
    assert carrier.knows(meta[1:])
    carrier.forget(meta[:1])
    assert not carrier.knows(meta)
    assert carrier.value(meta) is None


def test_real_tensors_are_their_own_value() -> None:
    carrier, real = Carrier(), torch.ones(2)
    assert carrier.value(real) is real
    assert carrier.knows(real)


def test_another_dtype_on_the_same_storage_is_unknown() -> None:
    carrier, meta = carried(torch.ones(4, dtype=torch.int64))
    assert carrier.value(meta.view(torch.float64)) is None


def test_errors_of_the_real_run_are_the_callers() -> None:
    carrier, meta = carried(torch.tensor([1, 2]))
    with pytest.raises(IndexError):
        carrier.real_call(torch.select, (meta, 0, 5), {})
    assert carrier.real_call(torch.add, (meta, torch.empty(2, device="meta")), {}) is None


def test_empty_tensors_are_carried() -> None:
    carrier, meta = carried(torch.empty(0, 3, dtype=torch.long))
    assert carrier.value(meta).shape == (0, 3)  # type: ignore[union-attr]


def test_constants_made_on_meta_keep_their_values() -> None:
    recorder = Recorder(torch.nn.Identity())
    with recording(recorder):
        assert torch.tensor([3, 4], device="meta").tolist() == [3, 4]
        assert torch.arange(3, device="meta").sum().item() == 3
        assert torch.ones(2, dtype=torch.long, device="meta").numpy().tolist() == [1, 1]
        assert torch.full((2,), 7, device="meta")[1].item() == 7


def test_an_unknown_value_is_an_open_question() -> None:
    recorder = Recorder(torch.nn.Identity())
    with recording(recorder):
        answer = torch.rand(2, device="meta").sum().item()
    assert answer == 0
    assert any("test_carried_values.py" in question for question in recorder.trace.unknowns)


def test_fresh_memory_is_the_same_in_every_audit() -> None:
    recorder = Recorder(torch.nn.Identity())
    with recording(recorder):
        fresh = torch.empty(50, dtype=torch.long, device="meta")
        assert fresh.tolist() == fresh.new_empty(50).tolist() == torch.empty_like(fresh).tolist() == [0] * 50
        fresh.fill_(3)
        assert fresh.tolist() == [3] * 50


def test_the_world_is_as_before_after_a_recording() -> None:
    before = (
        torch.tensor,
        Tensor.tolist,
        Tensor.numpy,
        torch.nn.Module.__call__,
        torch.amp.autocast_mode.autocast.__init__,
    )
    with pytest.raises(ZeroDivisionError), recording(Recorder(torch.nn.Identity())):
        raise ZeroDivisionError
    after = (
        torch.tensor,
        Tensor.tolist,
        Tensor.numpy,
        torch.nn.Module.__call__,
        torch.amp.autocast_mode.autocast.__init__,
    )
    assert before == after


def test_the_rest_of_a_storage_is_no_random_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slice of a buffer of unknown positions is made up; a later slice must not read what memory holds."""
    fresh = torch.empty

    def poisoned(*size: Any, **options: Any) -> Tensor:
        made = fresh(*size, **options)
        return made if made.is_meta or made.is_floating_point() else made.fill_(833)

    monkeypatch.setattr(torch, "empty", poisoned)
    carrier = Carrier()
    buffer = fresh(1, 40, dtype=torch.long, device="meta")
    carrier.attach(buffer[:, :7], torch.zeros(1, 7, dtype=torch.long))
    later = carrier.value(buffer[:, 7:9])
    assert later is not None
    assert later.tolist() == [[0, 0]]
