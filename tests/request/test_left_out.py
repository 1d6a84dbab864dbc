"""What a saved configuration says and an audit leaves out is told."""

from __future__ import annotations

from typing import Any

import pytest

from adapter_audit.auditor.request.job import Job
from adapter_audit.auditor.request.left_out import left_out
from adapter_audit.auditor.request.model_source import ModelSource
from adapter_audit.auditor.schema.spec import AuditSpec


def told(asked: str | None = None, **config: Any) -> tuple[str, ...]:
    spec = AuditSpec.read({"model": "m", "compose": "parallel:2", "dtype": asked})
    return left_out(Job.of(spec, ModelSource("m", "directory", config={"model_type": "bert", **config})))


@pytest.mark.parametrize("name", ["torch_dtype", "dtype"])
def test_a_dtype_that_nobody_asked_for(name: str) -> None:
    assert told(**{name: "bfloat16"}) == (
        "saved in bfloat16, audited in float32: ask for the other with --dtype bfloat16",
    )
    assert told("bfloat16", **{name: "bfloat16"}) == told(**{name: "float32"}) == told() == ()


def test_quantisation() -> None:
    assert told(quantization_config={"quant_method": "gptq"}) == (
        "the quantisation of the configuration (gptq) is left out",
    )
