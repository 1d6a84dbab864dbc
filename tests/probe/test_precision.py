"""Deviations, float64 throughout, and weights that are away from their no-op values."""

from __future__ import annotations

import adapters
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from adapter_audit.auditor import toys
from adapter_audit.auditor.library.adapters import LIBRARY
from adapter_audit.auditor.probe.precision import TOLERANCE, KeepDouble, deviation
from adapter_audit.auditor.probe.weights import randomise_adapter, randomise_base

NAN, INF = float("nan"), float("inf")
METHODS = (
    "lora",
    "seq_bn",
    "ia3",
    "prefix_tuning",
    "compacter[reduction_factor=4]",
    "lora[use_gating=True]",
    "dora",
    "mam",
    "loreft",
)


@pytest.mark.parametrize(
    ("actual", "expected", "amount"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0.0),
        ([1.0, 3.0], [1.0, 2.0], 0.5),
        ([0.0, 1.0], [0.0, 0.0], 1.0),
        ([NAN, 1.0], [NAN, 1.0], 0.0),
        ([INF, 1.0], [INF, 1.0], 0.0),
        ([-INF, 1.0], [INF, 1.0], INF),
        ([NAN, 1.0], [0.0, 1.0], INF),
        ([1.0], [1.0, 1.0], INF),
        ([], [], 0.0),
    ],
)
def test_deviation(actual: list[float], expected: list[float], amount: float) -> None:
    assert deviation(torch.tensor(actual), torch.tensor(expected)) == amount


def test_whole_numbers_are_equal_or_not() -> None:
    assert deviation(torch.tensor([1, 2]), torch.tensor([1, 2])) == 0
    assert deviation(torch.tensor([1, 2]), torch.tensor([1, 3])) == INF


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8), st.floats(0.1, 1e3))
def test_deviation_does_not_depend_on_the_scale(values: list[float], scale: float) -> None:
    expected = torch.tensor(values, dtype=torch.float64)
    actual = expected + 0.25
    assume(expected.abs().max() >= 1e-3)
    assert deviation(actual * scale, expected * scale) == pytest.approx(deviation(actual, expected), rel=1e-6)


def test_casts_to_single_precision_stay_double() -> None:
    x = torch.ones(2, dtype=torch.float64) / 3
    with KeepDouble():
        found = [
            x.float(),
            x.to(torch.float32),
            x.to(dtype=torch.float32),
            torch.zeros(2, dtype=torch.float32),
            x.type(torch.float32),
        ]
        softened = torch.nn.functional.softmax(x, dim=0, dtype=torch.float32)
        half = x.to(torch.float16)
    assert {t.dtype for t in (*found, softened)} == {torch.float64}
    assert half.dtype is torch.float16
    assert deviation(found[0], x) == 0


def test_a_model_that_casts_is_exact_in_the_probe() -> None:
    """LLaMA's norm and rotary positions cast to float32; the order of rows must not matter."""
    model = toys.llama().double()
    randomise_base(model)
    ids = torch.arange(12).reshape(2, 6)
    with torch.no_grad(), KeepDouble():
        both, alone = model(input_ids=ids).logits, model(input_ids=ids[1:]).logits
    assert both.dtype is torch.float64
    assert deviation(both[1:], alone) < TOLERANCE / 100


def test_base_weights_are_seeded_and_well_conditioned() -> None:
    one, two = toys.t5(), toys.t5()
    randomise_base(one)
    randomise_base(two)
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.equal(a, b)
    with torch.no_grad():
        out = one(
            input_ids=torch.arange(6).reshape(1, 6), decoder_input_ids=torch.arange(4).reshape(1, 4)
        ).logits
    assert out.isfinite().all()
    assert 1e-3 < out.abs().max() < 1e3


@pytest.mark.parametrize("method", METHODS)
def test_fresh_adapters_get_an_effect_and_differ(method: str) -> None:
    model = toys.bert()
    adapters.init(model)
    backend = LIBRARY
    for name in ("a", "b"):
        model.add_adapter(name, config=method)
    ids = torch.arange(12).reshape(2, 6)

    def output(name: str | None) -> torch.Tensor:
        model.set_active_adapters(name)
        with torch.no_grad():
            found: torch.Tensor = model(input_ids=ids).last_hidden_state
        return found

    for seed, name in enumerate(("a", "b")):
        before = [p.clone() for _, p in backend.parameters(model, name)]
        assert before
        randomise_adapter(backend.parameters(model, name), seed)
        after = [p for _, p in backend.parameters(model, name)]
        assert all(not torch.equal(x, y) for x, y in zip(before, after, strict=True))
    plain, a, b = output(None), output("a"), output("b")
    assert deviation(a, plain) > 1e-4
    assert deviation(b, plain) > 1e-4
    assert deviation(a, b) > 1e-4
