"""The probe's checks, each with something that breaks it and something near it that does not."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from adapter_audit.auditor.probe.bench import Bench, NotApplicable
from adapter_audit.auditor.probe.checks.all_checks import CHECKS, check_cache, check_lanes, check_purity
from adapter_audit.auditor.probe.checks.attention import check_attention
from adapter_audit.auditor.probe.checks.neutrality import check_neutrality
from adapter_audit.auditor.probe.checks.rows import check_masked_tokens
from adapter_audit.auditor.probe.checks.splits import check_splits
from adapter_audit.auditor.probe.checks.training import check_loss
from adapter_audit.auditor.request.job import resolved_job
from adapter_audit.auditor.schema.spec import AuditSpec

TOYS = "adapter_audit.auditor.toys"


@pytest.fixture(autouse=True)
def settled() -> Any:
    """As in the probe's child process."""
    before = torch.get_default_dtype()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(before)


def bench(toy: str, **fields: Any) -> Bench:
    spec = AuditSpec.read({"model": f"{TOYS}{toy}", **fields})
    return Bench(resolved_job(spec))


def found(subject: Bench, check: Any) -> list[str]:
    return [item.subject for item in check(subject)]


@pytest.mark.parametrize("compose", ["fuse(a,b)", "stack(c,fuse(a,b))", "fuse(a,b,c)"])
def test_a_fusion_of_copies_is_the_adapter(compose: str) -> None:
    assert found(bench(":bert", compose=compose, adapter="seq_bn"), check_neutrality) == []


def test_a_fusion_loses_the_gate() -> None:
    gated = bench(":bert", compose="fuse(a,b)", adapters={"a": "seq_bn", "b": "seq_bn[use_gating=True]"})
    assert found(gated, check_neutrality) == ["fuse of equal adapters (fuse(b,b_copy1))"]
    assert list(gated.model.adapters_config.adapters) == ["a", "b"]  # nothing is left behind
    assert list(gated.model.adapters_config.fusions) == ["a,b"]


@pytest.mark.parametrize(
    ("first", "last", "subjects"),
    [
        ("seq_bn[reduction_factor=4]", "seq_bn", []),
        ("par_bn", "seq_bn", ["fuse (fuse(a,b)), all its attention on a,"]),
        ("seq_bn[ln_after=True]", "seq_bn", ["fuse (fuse(a,b)), all its attention on a,"]),
        ("seq_bn_inv", "seq_bn_inv", ["fuse (fuse(a,b)), all its attention on b,"]),  # a's inversion for both
        ("seq_bn[leave_out=[0]]", "seq_bn", []),  # nobody can attend to what is not there
    ],
)
def test_a_fusion_that_attends_to_one_adapter_is_that_one(first: str, last: str, subjects: list[str]) -> None:
    fused = bench(":bert", compose="fuse(a,b)", adapters={"a": first, "b": last})
    before = {name: value.clone() for name, value in fused.model.state_dict().items()}
    assert found(fused, check_neutrality) == subjects
    after = fused.model.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert not any(m._forward_hooks for name, m in fused.model.named_modules() if "fusion" in name)


def test_one_discrepancy_for_each_block() -> None:
    subjects = found(bench(":bert", compose="average(a,b,c)", adapter="lora"), check_neutrality)
    assert subjects == ["average of equal adapters (average(a,a,a))"]


def test_a_block_of_one_child_is_the_child() -> None:
    nested = bench(":bert", compose="parallel(stack(a),stack(b))", adapter="double_seq_bn")
    assert found(nested, check_neutrality) == []
    nested.known(nested.tree).outputs["last_hidden_state"][-1] += 1  # a lane is held to its reference
    assert found(nested, check_neutrality) == []
    assert found(nested, check_lanes) == ["b"]
    deep = bench(":bert", compose="stack(average(a),b)", adapter="double_seq_bn")
    assert found(deep, check_neutrality) == []
    deep.known(deep.tree).outputs["last_hidden_state"][-1] += 1
    assert "block of one child in stack(average(a),b)" in found(deep, check_neutrality)


@pytest.mark.parametrize("method", ["seq_bn", "double_seq_bn", "par_bn", "seq_bn[use_gating=True]"])
@pytest.mark.parametrize("compose", ["split(a,b;3,4)", "stack(c,split(a,b;5,2))", "split(a,b,c;1,4,2)"])
def test_parts_of_a_split_are_their_adapters(compose: str, method: str) -> None:
    assert found(bench(":bert", compose=compose, adapter=method), check_splits) == []


def test_a_split_in_the_wrong_place() -> None:
    late = bench(".broken:splits_one_token_late", compose="split(a,b;3,4)", adapter="seq_bn")
    assert found(late, check_splits) == ["tokens 3 to 6 of split(a,b;3,4), which belong to b,"]
    assert all("compose" not in vars(module) for module in late.model.modules())


def test_a_split_of_unlike_adapters() -> None:
    unlike = {"a": "seq_bn", "b": "par_bn"}
    (part,) = check_splits(bench(":bert", compose="split(a,b;3,4)", adapters=unlike))
    assert part.subject == "tokens 3 to 6 of split(a,b;3,4), which belong to b,"
    assert part.departure is not None
    assert part.departure.module == "encoder.layer.0.output.adapters.b.adapter_down.0"


def test_a_split_ends_as_its_last_adapter_does() -> None:
    unlike = {"a": "seq_bn[original_ln_after=False]", "b": "seq_bn"}
    split = bench(":bert", compose="split(a,b;3,4)", adapters=unlike)
    assert found(split, check_splits) == []  # the parts themselves are right
    (whole,) = check_neutrality(split)
    assert whole.subject == "split (split(a,b;7,0)), all its tokens on one adapter,"
    assert whole.departure is not None
    assert (whole.departure.site.function, whole.departure.module) == (
        "post_forward",
        "encoder.layer.0.output",
    )


def test_calls_in_a_row() -> None:
    drifting = bench(".broken:drifts_from_call_to_call", compose="parallel(a,b)")
    assert found(drifting, check_purity) == ["a second call in a row"]
    assert found(bench(":bert", compose="parallel(a,b)"), check_purity) == []


def test_loss_of_the_parts_of_a_batch() -> None:
    split = bench(":gpt2", compose="batchsplit(a,b;1,2)", adapter="seq_bn", inputs=["labels"])
    assert found(split, check_loss) == []
    split.inputs["labels"] = split.inputs["labels"].flip(0)  # references have other labels than it had
    split.composed().outputs["loss"] += 0.1
    assert found(split, check_loss) == ["the loss"]


def test_attention_is_switched_back() -> None:
    decoding = bench(":gpt2", compose="stack(a)", adapter="seq_bn")
    assert found(decoding, check_attention) == []
    assert decoding.model.config._attn_implementation == "sdpa"


def test_attention_that_differs_since_the_model_was_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    from adapters.models.gpt2 import modeling_gpt2

    def sharp(module: Any, query: Any, *arguments: Any, **options: Any) -> Any:
        return original(module, 2 * query, *arguments, **options)

    original = modeling_gpt2.eager_attention_forward
    monkeypatch.setattr(modeling_gpt2, "eager_attention_forward", sharp)
    decoding = bench(":gpt2", compose="stack(a)", adapter="seq_bn")
    assert found(decoding, check_attention) == ["eager attention"]


def test_attention_weights_cost_the_prefix() -> None:
    prefixed = bench(":bert", compose="stack(a)", adapter="prefix_tuning")
    assert found(prefixed, check_attention) == ["output_attentions"]
    assert found(bench(":bert", compose="stack(a)", adapter="seq_bn"), check_attention) == []


def test_padding_is_no_business_of_other_tokens() -> None:
    gated = bench(":bert", compose="stack(a)", adapter="seq_bn[use_gating=True]", mask="right")
    assert [item.check for item in check_masked_tokens(gated)] == ["masked"]  # the gate is a mean over all
    assert (
        found(bench(":bert", compose="stack(a)", adapter="seq_bn", mask="right"), check_masked_tokens) == []
    )


def test_beams_change_places() -> None:
    decoding = bench(":gpt2", compose="parallel(a,b)", adapter="seq_bn", mode="beam")
    paths = decoding.composed().outputs["beam_indices"][:, :-1]
    assert bool((paths[:, 1:] != paths[:, :-1]).any())
    assert found(decoding, check_cache) == []


def test_every_check_runs_or_says_that_it_does_not_apply() -> None:
    plain = bench(":bert", compose="parallel(a,b)", adapter="seq_bn", mask="right")
    names = []
    for check in CHECKS:
        try:
            assert check(plain) == []
        except NotApplicable:
            continue
        names.append(check.__name__)
    assert {"check_lanes", "check_effect", "check_isolation", "check_init", "check_purity"} <= set(names)
