"""What `audit_model` is asked with: fields of a spec, inputs as people have them, contexts, what is wrong."""

from __future__ import annotations

from typing import Any

import adapters
import adapters.composition as ac
import pytest
import torch
from adapters import AutoAdapterModel
from transformers import AutoConfig, AutoModelForCausalLM, BatchEncoding

from adapter_audit.auditor import audit_model, toys
from adapter_audit.auditor.errors import AuditError, ExitCode
from adapter_audit.auditor.request import model_in_hand
from adapter_audit.auditor.request.model_in_hand import job_of_model
from adapter_audit.auditor.schema.result import Verdict
from adapter_audit.auditor.toys import broken

SMALL_LLAMA = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 99,
}
IDS = torch.arange(4 * 9).reshape(4, 9) % 90 + 3


def prepared(model: Any, compose: Any = None, **methods: str) -> Any:
    if not hasattr(model, "adapters_config"):
        adapters.init(model)
    for name, method in (methods or {"a": "seq_bn", "b": "seq_bn"}).items():
        model.add_adapter(name, config=method)
    model.active_adapters = compose or ac.Parallel("a", "b")
    return model


@pytest.fixture
def all_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_in_hand, "SHRUNK_FROM", 1000)


@pytest.mark.parametrize(
    "given",
    [
        {"position_ids": torch.arange(9)[None]},
        {"head_mask": torch.ones(2, 4)},
        {"attention_mask": torch.ones(4, 9, 9)},
        BatchEncoding({"attention_mask": torch.ones(4, 9).long(), "token_type_ids": torch.zeros_like(IDS)}),
    ],
    ids=["positions", "heads", "3-d mask", "encoding"],
)
@pytest.mark.parametrize("large", [False, True])
def test_inputs_as_people_have_them(given: Any, large: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_in_hand, "SHRUNK_FROM", 1000 if large else 10**9)
    result = audit_model(prepared(toys.bert()), {"input_ids": IDS, **given})
    assert (result.verdict, result.unknowns) == (Verdict.COMPATIBLE, ()), result.summary
    assert (result.axes["B"], result.axes["S"]) == (4, 9)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"mode": "trains"}, "mode: Input should be"),
        ({"modes": "train"}, "did you mean 'mode'"),
        ({"adapter": "lora"}, "takes no adapter: it follows from the model"),
        ({"compose": "parallel(a,zz)"}, "no adapter 'zz'"),
        ({"compose": 3}, "neither a text nor a block"),
        ({"dtype": "int8"}, "dtype: Input should be"),
        ({"inputs": [[1, 2]]}, "this is list"),
        ({"inputs": IDS}, "this is Tensor"),
        ({"inputs": {"input_ids": [[1, 2]]}}, "return_tensors='pt'"),
        ({"inputs": {"input_ids": IDS, "attentions_mask": IDS}}, "did you mean 'attention_mask'"),
        ({"inputs": {"input_ids": IDS, "attention_mask": IDS[:2]}}, "no common batch size"),
        ({"inputs": {"input_ids": IDS}, "mask": "left"}, "the inputs were given"),
        ({"inputs": {"input_ids": IDS, "past_key_values": object()}}, "rows cannot be taken"),
    ],
)
def test_a_wrong_argument_is_one_line(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(AuditError, match=words) as caught:
        audit_model(prepared(toys.bert()), **fields)
    assert caught.value.exit_code is ExitCode.USAGE
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("model", ["bert", None, 3])
def test_what_is_no_model(model: Any) -> None:
    with pytest.raises(AuditError, match="takes a torch model"):
        audit_model(model)


def test_a_compiled_model_is_declined() -> None:
    with pytest.raises(AuditError, match="the model is compiled"):
        audit_model(torch.compile(prepared(toys.bert())))
    model = prepared(toys.bert())
    model.compile()
    with pytest.raises(AuditError, match="the model is compiled"):
        audit_model(model)


def test_fields_of_a_spec() -> None:
    result = audit_model(prepared(toys.t5()), mode="train", mask="left", batch=5, seq_len=11, attn="eager")
    asked = {"mode": "train", "mask": "left", "batch": 5, "seq_len": 11, "attn": "eager"}
    assert {name: result.spec[name] for name in asked} == asked
    assert result.verdict is Verdict.COMPATIBLE, result.summary


def test_a_composition_can_be_told() -> None:
    model = prepared(toys.bert(), "a")
    for compose in ("parallel(a,b)", ac.Parallel("a", "b")):
        assert audit_model(model, compose=compose, static_only=True).axes["N"] == 2
    assert model.active_adapters == ac.Stack("a")


def test_the_setup_of_a_context_is_audited_and_its_references_without_it() -> None:
    model = prepared(broken.two_defects(), "a")
    assert audit_model(model).axes["N"] == 1
    with adapters.AdapterSetup(ac.Average("a", "b")) as context:
        result = audit_model(model)
        assert adapters.AdapterSetup.get_context() is context
    assert result.spec["compose"].startswith("average(a,b")
    assert result.verdict is Verdict.WRONG  # an average of bottlenecks is not one, which references show


def test_configurations_are_told_and_unlike_adapters_are_not_alike() -> None:
    job = job_of_model(
        prepared(toys.bert(), a="lora[r=4]", b="prefix_tuning[prefix_length=3]|par_bn"), None, {}
    )
    assert job.methods == {"a": "lora[r=4]", "b": "prefix_tuning[prefix_length=3]|par_bn"}


@pytest.mark.usefixtures("all_are_large")
def test_a_vector_of_token_ids_is_one_row_of_a_model_with_heads() -> None:
    config = toys.bert().config
    model = AutoAdapterModel.from_config(config)
    for name in ("a", "b"):
        model.add_adapter(name, config="seq_bn")
    model.add_tagging_head("a", num_labels=3)
    model.add_classification_head("b", num_labels=2)
    model.active_adapters = ac.Parallel("a", "b")
    result = audit_model(model, {"input_ids": IDS[0]})
    assert (result.verdict, result.axes["B"], result.axes["S"]) == (Verdict.COMPATIBLE, 1, 9), result.summary


def test_given_inputs_are_taken_as_they_are() -> None:
    """What the library asserts in the user's call must not be mended by the audit."""
    model = prepared(toys.bert(), ac.MultiTask("a", "b"), a="mtl_lora", b="mtl_lora")
    without = audit_model(model, {"input_ids": IDS})
    assert (without.verdict, without.findings[0].primary.code) == (
        Verdict.REFUSED,
        "assert task_ids is not None",
    )
    assert audit_model(model, {"input_ids": IDS, "task_ids": list("abab")}).verdict is Verdict.COMPATIBLE


def test_checkpointing_that_is_on_is_part_of_the_audit() -> None:
    """With float64 kept in the forward only, recomputing would end in another dtype."""
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model("llama", **SMALL_LLAMA))
    adapters.init(model)
    model.add_adapter("a", config="lora")
    model.train_adapter("a")
    model.gradient_checkpointing_enable()
    result = audit_model(model, {"input_ids": IDS, "labels": IDS}, mode="train")
    assert result.verdict is Verdict.COMPATIBLE, result.summary
    assert result.spec["gradient_checkpointing"] is True


def test_a_large_model_is_made_small_and_compared() -> None:
    nested = ac.Stack("a", ac.Parallel(ac.Stack("b", "c"), "d"))
    model = prepared(toys.bert(), nested, a="seq_bn", b="seq_bn", c="seq_bn", d="seq_bn")
    result = audit_model(model, {"input_ids": IDS})
    assert (result.verdict, {f.rule for f in result.findings}) == (Verdict.WRONG, {"AA201"})
    healthy = audit_model(prepared(toys.bert()))
    assert (healthy.verdict, healthy.notes) == (Verdict.COMPATIBLE, ())


@pytest.mark.usefixtures("all_are_large")
def test_a_large_model_with_code_of_its_own_runs_as_it_is() -> None:
    result = audit_model(prepared(broken.shifts_states()))
    assert result.verdict is Verdict.WRONG
    assert "has forward hooks of its own); it was executed as it is" in result.notes[0]


@pytest.mark.usefixtures("all_are_large")
def test_what_cannot_be_executed_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    from adapter_audit.auditor.probe import small_job

    monkeypatch.setattr(small_job, "AS_IT_IS_UP_TO", -1)
    result = audit_model(prepared(broken.shifts_states()))
    assert result.verdict is Verdict.UNKNOWN
    assert "no values were compared" in result.unknowns[0]
    assert "too large to be executed" in result.unknowns[0]


def test_a_fix_is_proven_on_the_model_that_is_built_again() -> None:
    nested = ac.Stack("a", ac.Parallel(ac.Stack("b", "c"), "d"))
    model = prepared(toys.bert(), nested, a="seq_bn", b="seq_bn", c="seq_bn", d="seq_bn")
    (finding,) = audit_model(model, fixes=True).findings
    assert finding.fixes[0].status == "verified"
    broken_model = prepared(broken.two_defects())
    for finding in audit_model(broken_model, fixes=True).findings:
        assert not any(fix.status == "verified" for fix in finding.fixes)
