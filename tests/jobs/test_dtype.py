"""Dtypes as they meet in use: a run in them is not overruled by the comparison in float64."""

from __future__ import annotations

from typing import Any

import adapters
import adapters.composition as ac
import pytest
import torch

from adapter_audit.auditor import audit, audit_model, toys
from adapter_audit.auditor.schema.result import Verdict

IDS = torch.arange(3 * 7).reshape(3, 7) % 90 + 3


def spec(**fields: Any) -> dict[str, Any]:
    return {"model": "adapter_audit.auditor.toys:bert", "compose": "parallel(a,b)", **fields}


def stops(model: Any) -> bool:
    try:
        model(input_ids=IDS)
    except (RuntimeError, NotImplementedError):
        return True
    return False


def prepared(method: str, before: torch.dtype, after: torch.dtype | None = None) -> Any:
    """The base is cast before it gets its adapters; all of it afterwards."""
    model = toys.bert().to(before)
    adapters.init(model)
    for name in ("a", "b"):
        model.add_adapter(name, config=method)
    model.active_adapters = ac.Parallel("a", "b")
    return model if after is None else model.to(after)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("method", ["seq_bn", "lora", "loreft"])
def test_adapters_in_float32_stop_a_half_model(method: str, dtype: str) -> None:
    assert stops(prepared(method, getattr(torch, dtype)))
    result = audit(spec(adapter=method, dtype=dtype))
    assert result.verdict is Verdict.CRASH
    assert "AA105" in {f.rule for f in result.findings}
    assert "AA901" not in {f.rule for f in result.findings}
    assert audit(spec(adapter=method)).verdict is not Verdict.CRASH


def test_adapters_that_are_told_the_dtype_run() -> None:
    asked = spec(adapter='lora[dtype="bfloat16"]')
    assert audit(asked | {"dtype": "bfloat16"}).verdict is Verdict.COMPATIBLE
    assert audit(asked).verdict is Verdict.CRASH  # the base is in float32


@pytest.mark.parametrize("method", ["seq_bn", "lora", "loreft"])
def test_a_model_in_hand_has_its_own_dtypes(method: str) -> None:
    mixed, half = prepared(method, torch.bfloat16), prepared(method, torch.float32, torch.bfloat16)
    for model in (mixed, half):
        result = audit_model(model)
        assert (result.verdict is Verdict.CRASH) == stops(model), result.summary
        assert Verdict.NO_EFFECT not in {f.verdict for f in result.findings}


def test_a_model_in_hand_is_cast_where_that_is_asked_for() -> None:
    model = prepared("lora", torch.float32)
    result = audit_model(model, dtype="bfloat16")
    assert (result.verdict, result.spec["dtype"]) == (Verdict.COMPATIBLE, "bfloat16")
    assert {p.dtype for p in model.parameters()} == {torch.float32}
