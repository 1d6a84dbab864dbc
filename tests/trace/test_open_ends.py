"""What meta cannot know is asked, by torch's tags and not by the names of ops."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from adapter_audit.auditor.trace.meta.open_end import OpenEnd
from adapter_audit.auditor.trace.operators import operator
from adapter_audit.auditor.trace.recorder import Recorder, recording

aten = torch.ops.aten


@pytest.mark.parametrize(
    ("overload", "asks", "random"),
    [
        (aten.nonzero.default, True, False),
        (aten._unique2.default, True, False),
        (aten.masked_select.default, True, False),
        (aten.equal.default, True, False),
        (aten.multinomial.default, False, True),
        (aten.randint.low, False, True),
        (aten.add.Tensor, False, False),
        (aten.argmax.default, False, False),
    ],
)
def test_tags_tell_what_an_op_asks(overload: object, asks: bool, random: bool) -> None:
    found = operator(overload)
    assert (found.asks_values, found.random) == (asks, random)


def questions(run: Callable[[torch.Tensor], object]) -> list[str]:
    recorder, x = Recorder(torch.nn.Identity()), torch.ones(3, 4, device="meta")
    with recording(recorder):
        try:
            run(x)
        except OpenEnd as error:
            recorder.stopped(error)
    assert recorder.trace.failures == []
    return recorder.trace.unknowns


ASKING: dict[str, Callable[[torch.Tensor], object]] = {
    "nonzero": lambda x: (x > 0).nonzero(),
    "nonzero of floats": lambda x: x.nonzero(),
    "unique": lambda x: torch.unique(x.argmax(-1)),
    "equal": lambda x: torch.equal(x.argmax(-1), x.argmin(-1)),
    "masked": lambda x: x[x > 0],
    "multinomial": lambda x: torch.multinomial(x.softmax(-1), 1),
    "drawn": lambda x: torch.randint(5, (3,), device="meta"),
    "what follows": lambda x: x[(x > 0).nonzero()[:, 0]].view(3, 4),
    "numpy": lambda x: x.numpy(),
    "no kernel": lambda x: x.to_sparse(),
}


@pytest.mark.parametrize("kind", ASKING)
def test_what_depends_on_unknown_values_is_an_open_question(kind: str) -> None:
    assert questions(ASKING[kind])


def test_what_is_known_is_no_question() -> None:
    def run(x: torch.Tensor) -> None:
        mask = torch.tensor([True, False, True], device="meta")
        assert x[mask].shape == (2, 4)
        assert mask.nonzero().shape == (2, 1)
        assert torch.unique(torch.tensor([1, 1, 2], device="meta")).shape == (2,)
        assert x[torch.tensor([0, 1], device="meta")].shape == (2, 4)
        assert x[x.argmax(-1) * 0].shape == (3, 4)  # integers as indices decide about no shape
        assert torch.rand(3, device="meta").shape == (3,)  # nobody reads it

    assert questions(run) == []


def test_an_error_of_the_callers_own_is_a_failure() -> None:
    with pytest.raises(RuntimeError, match="shape") as caught:
        questions(lambda x: x.view(5, 5))
    assert not isinstance(caught.value, OpenEnd)
