"""Where a silent error begins: the primary location is the cause, not the place where it shows."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, NamedTuple

import pytest
from packaging.specifiers import SpecifierSet

from adapter_audit.auditor import audit
from adapter_audit.auditor.schema.verdicts import Cause as FindingCause

TOYS = "adapter_audit.auditor.toys"


class Cause(NamedTuple):
    """An audit, and what its first finding names."""

    spec: dict[str, Any]
    rule: str
    code: str
    module: str
    release: str


CAUSES = (
    Cause(
        {"model": f"{TOYS}:bert", "compose": "parallel(a,b)", "adapter": "lora[use_dora=True]"},
        "AA201",
        "norm = compute_dora_norm(self.weight, last_lora.delta_w)",
        "encoder.layer.0.attention.self.query",
        ">=1.1,<1.4",
    ),
    Cause(
        {"model": f"{TOYS}:bert", "compose": "batchsplit(a,b;2,1)", "adapter": "lora[use_dora=True]"},
        "AA201",
        "norm = compute_dora_norm(self.weight, last_lora.delta_w)",
        "encoder.layer.0.attention.self.query",
        ">=1.1,<1.4",
    ),
    Cause(
        {"model": f"{TOYS}:llama", "compose": "stack(a)", "mode": "generate"},
        "AA204",
        "def forward(",
        "model.layers.0",
        ">=1.3,<1.4",
    ),
    Cause(
        {"model": f"{TOYS}:llama", "compose": "stack(a)"},
        "AA204",
        "attn_output = torch.nn.functional.scaled_dot_product_attention(",
        "model.layers.0.self_attn",
        ">=0.2.2,<1.0",
    ),
    Cause(
        {"model": f"{TOYS}:llama", "compose": "stack(a)"},
        "AA204",
        "attn_output = attn_output.transpose(1, 2).contiguous()",
        "model.layers.0.self_attn",
        ">=1.1.1,<1.3",
    ),
    Cause(
        {"model": f"{TOYS}:vit", "compose": "parallel(a,b)", "adapter": "ia3"},
        "AA201",
        "key_layer = self.key(hidden_states).view(*new_shape).transpose(1, 2)",
        "encoder.layer.0.attention.attention",
        ">=1.3,<1.4",
    ),
    Cause(
        {"model": f"{TOYS}:bert", "compose": "average(a,b)", "adapter": "lora"},
        "AA205",
        "torch.stack([s.hidden_states for s in states], dim=0) * weights,",
        "encoder.layer.0.attention.self.query",
        ">=1.0,<1.4",
    ),
    Cause(
        {"model": f"{TOYS}:bert", "compose": "fuse(a,b)", "adapter": "seq_bn[use_gating=True]"},
        "AA205",
        "up_list = torch.stack([state.bottleneck_up for state in children_states])",
        "encoder.layer.0.output",
        ">=1.0,<1.4",
    ),
    Cause(
        {"model": f"{TOYS}:bert", "compose": "parallel(stack(a,b),c)", "adapter": "seq_bn"},
        "AA201",
        "state = self.pre_block(adapter_stack_layer, state)",
        "encoder.layer.0.output",
        ">=1.0,<1.4",
    ),
    Cause(
        {"model": f"{TOYS}.broken:writes_into_mask", "compose": "parallel(a,b)", "mask": "right"},
        "AA206",
        "mask.mul_(2)",
        "",
        "",
    ),
    Cause(
        {"model": f"{TOYS}.broken:attends_to_what_follows", "compose": "stack(a)"},
        "AA204",
        "return scaled_dot_product_attention(states, states, states, is_causal=causal).squeeze(1)",
        "encoder.layer.0",
        "",
    ),
    Cause(
        {"model": f"{TOYS}.broken:shifts_states", "compose": "parallel(a,b)"},
        "AA201",
        "rows = torch.arange(states.shape[0], dtype=states.dtype, device=states.device)",
        "encoder.layer.1",
        "",
    ),
    Cause(
        {"model": f"{TOYS}.broken:interleaves_states", "compose": "parallel(a,b)"},
        "AA201",
        "return states.view(2, -1, *states.shape[1:]).transpose(0, 1).reshape(states.shape)",
        "encoder.layer.1",
        "",
    ),
    Cause(
        {"model": f"{TOYS}:bert", "compose": "batchsplit(a,b;2,1)", "adapter": "loreft"},
        "AA201",
        "first_adapter = adapter_setup.first()",
        "encoder.layer.0.reft_layer",
        ">=1.3,<1.4",
    ),
    Cause(
        {"model": f"{TOYS}:bert", "compose": "parallel(a,b)", "adapter": "seq_bn_inv"},
        "AA201",
        "first_adapter = adapter_setup.first()",
        "embeddings",
        ">=1.3,<1.4",
    ),
    Cause(
        {
            "model": f"{TOYS}:bert",
            "compose": "parallel(a,b)",
            "adapters": {"a": "seq_bn", "b": "seq_bn_inv"},
        },
        "AA201",
        "first_adapter = adapter_setup.first()",
        "embeddings",
        ">=1.3,<1.4",
    ),
    Cause(
        {"model": f"{TOYS}:bert", "compose": "batchsplit(stack(a,b),c;2,1)", "adapter": "seq_bn"},
        "AA201",
        "state = self.pre_block(adapter_stack_layer, state)",
        "encoder.layer.0.output",
        ">=1.3,<1.4",
    ),
    Cause(
        {"model": f"{TOYS}:bert", "compose": "multitask(a,b)", "adapter": "seq_bn"},
        "AA201",
        "state = self.pre_block(adapter_setup, state)",
        "encoder.layer.0.output",
        ">=1.3,<1.4",
    ),
)
HERE = [c for c in CAUSES if SpecifierSet(c.release).contains(version("adapters"), prereleases=True)]


@pytest.mark.parametrize(
    "cause", HERE, ids=lambda c: f"{c.spec['model'].rpartition(':')[2]}-{c.spec['compose']}"
)
def test_first_departing_line_is_named(cause: Cause) -> None:
    findings = [f for f in audit(cause.spec, offline=True).findings if f.rule == cause.rule]
    assert [f.primary.code for f in findings] == [cause.code]
    assert findings[0].primary.module == cause.module


def test_new_parameter_is_named() -> None:
    spec = {"model": f"{TOYS}:deberta", "compose": "stack(a)"}
    (finding,) = [f for f in audit(spec, offline=True).findings if f.rule == "AA204"]
    assert "in_proj.bias is there now, and was not before" in finding.message


def test_other_argument_is_named() -> None:
    spec = {"model": f"{TOYS}.broken:attends_to_what_follows", "compose": "stack(a)"}
    (finding,) = [f for f in audit(spec, offline=True).findings if f.rule == "AA204"]
    assert "in the first op that departs, is_causal is False, and was True before" in finding.message


@pytest.mark.parametrize("cause", [c for c in HERE if c.code == "def forward("], ids=lambda c: c.release)
def test_lost_keyword_is_named(cause: Cause) -> None:
    """Where a method of the prepared model no longer takes a keyword, its head is the cause."""
    (finding,) = [f for f in audit(cause.spec, offline=True).findings if f.rule == "AA204"]
    assert "`past_key_values` is no longer taken here" in finding.message
    assert (finding.cause, finding.primary.op) == (FindingCause.KEYWORD_LOST, "forward")
