"""The probe's checks, each with something that breaks it and something near it that does not."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch

from adapter_audit.auditor.facts.observations import Observation, ProcessDeath
from adapter_audit.auditor.probe.checks.attention_parity import AttentionParity
from adapter_audit.auditor.probe.checks.block_neutrality import BlockNeutrality, Relation
from adapter_audit.auditor.probe.checks.cache_parity import CacheParity
from adapter_audit.auditor.probe.checks.call_purity import Call, CallPurity
from adapter_audit.auditor.probe.checks.lane_parity import LaneParity
from adapter_audit.auditor.probe.checks.loss_parity import LossParity
from adapter_audit.auditor.probe.checks.masked_tokens import MaskedTokens
from adapter_audit.auditor.probe.checks.split_parts import SplitParts
from adapter_audit.auditor.probe.measuring_bench import MeasuringBench
from adapter_audit.auditor.probe.value_check import NotApplicable, ValueCheck, all_checks
from adapter_audit.auditor.request.job import resolved_job
from adapter_audit.auditor.schema.spec import AuditSpec
from adapter_audit.rules._support.registry import rules_of
from adapter_audit.rules.base import AuditRule

TOYS = "adapter_audit.auditor.toys"


@pytest.fixture(autouse=True)
def settled() -> Any:
    """As in the probe's child process."""
    before = torch.get_default_dtype()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(before)


def bench(toy: str, **fields: Any) -> MeasuringBench:
    spec = AuditSpec.read({"model": f"{TOYS}{toy}", **fields})
    return MeasuringBench(resolved_job(spec))


def seen(subject: MeasuringBench, check: type[ValueCheck]) -> list[Any]:
    return list(check().observe(subject))


def relations(subject: MeasuringBench) -> list[tuple[Relation, str, str]]:
    return [(gap.relation, gap.block, gap.adapter) for gap in seen(subject, BlockNeutrality)]


@pytest.mark.parametrize("compose", ["fuse(a,b)", "stack(c,fuse(a,b))", "fuse(a,b,c)"])
def test_a_fusion_of_copies_is_the_adapter(compose: str) -> None:
    assert relations(bench(":bert", compose=compose, adapter="seq_bn")) == []


def test_a_fusion_loses_the_gate() -> None:
    gated = bench(":bert", compose="fuse(a,b)", adapters={"a": "seq_bn", "b": "seq_bn[use_gating=True]"})
    assert relations(gated) == [(Relation.EQUAL, "fuse(b,b_copy1)", "")]
    assert list(gated.model.adapters_config.adapters) == ["a", "b"]  # nothing is left behind
    assert list(gated.model.adapters_config.fusions) == ["a,b"]


@pytest.mark.parametrize(
    ("first", "last", "wrong"),
    [
        ("seq_bn[reduction_factor=4]", "seq_bn", []),
        ("par_bn", "seq_bn", ["a"]),
        ("seq_bn[ln_after=True]", "seq_bn", ["a"]),
        ("seq_bn_inv", "seq_bn_inv", ["b"]),  # a's inversion for both
        ("seq_bn[leave_out=[0]]", "seq_bn", []),  # nobody can attend to what is not there
    ],
)
def test_a_fusion_that_attends_to_one_adapter_is_that_one(first: str, last: str, wrong: list[str]) -> None:
    fused = bench(":bert", compose="fuse(a,b)", adapters={"a": first, "b": last})
    before = {name: value.clone() for name, value in fused.model.state_dict().items()}
    assert relations(fused) == [(Relation.ONE_SIDED, "fuse(a,b)", name) for name in wrong]
    after = fused.model.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert not any(m._forward_hooks for name, m in fused.model.named_modules() if "fusion" in name)


def test_one_gap_for_each_block() -> None:
    averaged = bench(":bert", compose="average(a,b,c)", adapter="lora")
    assert relations(averaged) == [(Relation.EQUAL, "average(a,a,a)", "")]


def test_a_block_of_one_child_is_the_child() -> None:
    nested = bench(":bert", compose="parallel(stack(a),stack(b))", adapter="double_seq_bn")
    assert relations(nested) == []
    nested.known(nested.tree).outputs["last_hidden_state"][-1] += 1  # a lane is held to its reference
    assert relations(nested) == []
    assert [(gap.lane, gap.adapters) for gap in seen(nested, LaneParity)] == [(1, ("b",))]
    deep = bench(":bert", compose="stack(average(a),b)", adapter="double_seq_bn")
    assert relations(deep) == []
    deep.known(deep.tree).outputs["last_hidden_state"][-1] += 1
    assert (Relation.ONE_CHILD, "stack(average(a),b)", "") in relations(deep)


@pytest.mark.parametrize("method", ["seq_bn", "double_seq_bn", "par_bn", "seq_bn[use_gating=True]"])
@pytest.mark.parametrize("compose", ["split(a,b;3,4)", "stack(c,split(a,b;5,2))", "split(a,b,c;1,4,2)"])
def test_parts_of_a_split_are_their_adapters(compose: str, method: str) -> None:
    assert seen(bench(":bert", compose=compose, adapter=method), SplitParts) == []


def test_a_split_in_the_wrong_place() -> None:
    late = bench(".broken:splits_one_token_late", compose="split(a,b;3,4)", adapter="seq_bn")
    (part,) = seen(late, SplitParts)
    assert (part.split, part.tokens, part.adapters) == ("split(a,b;3,4)", (3, 7), ("b",))
    assert all("compose" not in vars(module) for module in late.model.modules())


def test_a_split_of_unlike_adapters() -> None:
    unlike = {"a": "seq_bn", "b": "par_bn"}
    (part,) = seen(bench(":bert", compose="split(a,b;3,4)", adapters=unlike), SplitParts)
    assert (part.split, part.tokens, part.adapters) == ("split(a,b;3,4)", (3, 7), ("b",))
    assert part.departure is not None
    assert part.departure.module == "encoder.layer.0.output"
    assert part.departure.site.function == "pre_forward"


def test_a_split_ends_as_its_last_adapter_does() -> None:
    unlike = {"a": "seq_bn[original_ln_after=False]", "b": "seq_bn"}
    split = bench(":bert", compose="split(a,b;3,4)", adapters=unlike)
    assert seen(split, SplitParts) == []  # the parts themselves are right
    (whole,) = seen(split, BlockNeutrality)
    assert (whole.relation, whole.kind, whole.block) == (Relation.ONE_SIDED, "split", "split(a,b;7,0)")
    assert whole.departure is not None
    assert (whole.departure.site.function, whole.departure.module) == (
        "post_forward",
        "encoder.layer.0.output",
    )


def test_calls_in_a_row() -> None:
    drifting = bench(".broken:drifts_from_call_to_call", compose="parallel(a,b)")
    assert [drift.call for drift in seen(drifting, CallPurity)] == [Call.NEXT]
    assert seen(bench(":bert", compose="parallel(a,b)"), CallPurity) == []


def test_loss_of_the_parts_of_a_batch() -> None:
    split = bench(":gpt2", compose="batchsplit(a,b;1,2)", adapter="seq_bn", inputs=["labels"])
    assert seen(split, LossParity) == []
    split.inputs["labels"] = split.inputs["labels"].flip(0)  # references have other labels than it had
    split.composed().outputs["loss"] += 0.1
    (gap,) = seen(split, LossParity)
    assert gap.loss == pytest.approx(gap.expected + 0.1)


def test_attention_is_switched_back() -> None:
    decoding = bench(":gpt2", compose="stack(a)", adapter="seq_bn")
    assert seen(decoding, AttentionParity) == []
    assert decoding.model.config._attn_implementation == "sdpa"


def test_attention_that_differs_since_the_model_was_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    from adapters.models.gpt2 import modeling_gpt2

    def sharp(module: Any, query: Any, *arguments: Any, **options: Any) -> Any:
        return original(module, 2 * query, *arguments, **options)

    original = modeling_gpt2.eager_attention_forward
    monkeypatch.setattr(modeling_gpt2, "eager_attention_forward", sharp)
    decoding = bench(":gpt2", compose="stack(a)", adapter="seq_bn")
    assert [gap.implementation for gap in seen(decoding, AttentionParity)] == ["eager"]


def test_attention_weights_cost_the_prefix() -> None:
    prefixed = bench(":bert", compose="stack(a)", adapter="prefix_tuning")
    assert [gap.implementation for gap in seen(prefixed, AttentionParity)] == ["output_attentions"]
    assert seen(bench(":bert", compose="stack(a)", adapter="seq_bn"), AttentionParity) == []


def test_padding_is_no_business_of_other_tokens() -> None:
    gated = bench(":bert", compose="stack(a)", adapter="seq_bn[use_gating=True]", mask="right")
    (gap,) = seen(gated, MaskedTokens)  # the gate is a mean over all
    assert gap.output == "last_hidden_state"
    assert seen(bench(":bert", compose="stack(a)", adapter="seq_bn", mask="right"), MaskedTokens) == []


def test_beams_change_places() -> None:
    decoding = bench(":gpt2", compose="parallel(a,b)", adapter="seq_bn", mode="beam")
    paths = decoding.composed().outputs["beam_indices"][:, :-1]
    assert bool((paths[:, 1:] != paths[:, :-1]).any())
    assert seen(decoding, CacheParity) == []


def test_every_check_runs_or_says_that_it_does_not_apply() -> None:
    plain = bench(":bert", compose="parallel(a,b)", adapter="seq_bn", mask="right")
    names = []
    for check in all_checks():
        try:
            assert list(check.observe(plain)) == []
        except NotApplicable:
            continue
        names.append(check.name)
    assert {"lanes", "effect", "isolation", "init", "purity"} <= set(names)


def test_checks_are_found_in_their_order() -> None:
    checks = all_checks()
    assert [check.order for check in checks] == sorted({check.order for check in checks})
    names = [check.name for check in checks]
    assert len(names) == len(set(names)) >= 18
    assert names.index("effect") < names.index("neutrality")  # which passes over idle adapters
    assert names[-2:] == ["purity", "history"]  # after the calls of all others; a history changes adapters


def test_a_check_needs_no_torch() -> None:
    """Rules import a check's file for its evidence."""
    code = (
        "import sys; from adapter_audit.auditor.probe.value_check import all_checks; all_checks();"
        "assert not {'torch', 'adapters', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_evidence_of_every_check_is_read_by_a_rule() -> None:
    measured = {kind for check in all_checks() for kind in check.yields}
    read = {kind for rule in rules_of(AuditRule) for kind in rule.reads}
    assert measured | {ProcessDeath} == read
    assert all(issubclass(kind, Observation) and kind.__doc__ for kind in measured)
