"""Auditing a model in hand: what is active in it, with given or made-up inputs, and it stays as it was."""

from __future__ import annotations

from typing import Any

import adapters
import adapters.composition as ac
import pytest
import torch

from adapter_audit.auditor import audit_model, toys
from adapter_audit.auditor.errors import AuditError
from adapter_audit.auditor.schema.result import Verdict
from adapter_audit.auditor.toys import broken


def prepared(model: Any, method: str = "seq_bn") -> Any:
    if not hasattr(model, "adapters_config"):
        adapters.init(model)
    for name in ("a", "b"):
        model.add_adapter(name, config=method)
    model.active_adapters = ac.Parallel("a", "b")
    return model


def test_a_healthy_model_stays_as_it_was() -> None:
    model = prepared(toys.bert())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    result = audit_model(model)
    assert result.verdict is Verdict.COMPATIBLE, result.summary
    assert "parallel(a,b)" in result.summary
    after = model.state_dict()
    assert set(before) == set(after)
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert model.active_adapters == ac.Parallel("a", "b")
    assert {p.device.type for p in model.parameters()} == {"cpu"}
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_a_broken_model_is_told() -> None:
    result = audit_model(prepared(broken.two_defects()))
    assert result.verdict is Verdict.CRASH
    assert {f.rule for f in result.findings} == {"AA101"}


def test_given_inputs_set_the_sizes() -> None:
    ids = torch.arange(4 * 9).reshape(4, 9) % 90 + 3
    given = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    result = audit_model(prepared(toys.bert()), given)
    assert (result.axes["B"], result.axes["S"], result.axes["N"]) == (4, 9, 2)
    assert result.verdict is Verdict.COMPATIBLE, result.summary
    assert torch.equal(given["input_ids"], ids)


def test_without_active_adapters_there_is_nothing_to_audit() -> None:
    for model in (toys.bert(), prepared(toys.bert())):
        if hasattr(model, "adapters_config"):
            model.active_adapters = None
        with pytest.raises(AuditError, match="no active adapters"):
            audit_model(model)


def test_inputs_without_a_common_batch_are_one_line() -> None:
    given = {"input_ids": torch.ones(2, 5).long(), "attention_mask": torch.ones(3, 5).long()}
    with pytest.raises(AuditError, match="no common batch size"):
        audit_model(prepared(toys.bert()), given)
