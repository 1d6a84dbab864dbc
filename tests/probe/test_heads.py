"""Several active heads: whose rows each serves, in whole audits of models in hand and of specs."""

from __future__ import annotations

from typing import Any

import adapters.composition as ac
import pytest
import torch

from adapter_audit.auditor import AuditResult, audit, audit_model
from adapter_audit.auditor.errors import UsageError
from adapter_audit.auditor.schema.result import Verdict
from adapter_audit.auditor.toys import bert_with_heads
from adapter_audit.auditor.toys.broken import serves_all_with_one_head, swaps_heads

TOYS = "adapter_audit.auditor.toys"
HEADS = {"a": "classification[num_labels=2]", "b": "classification[num_labels=3]"}
PARALLEL, SPLIT = ac.Parallel("a", "b"), ac.BatchSplit("a", "b", batch_sizes=[1, 2])


def two_heads(model: Any, labels: tuple[int, int] = (2, 3), method: str = "seq_bn") -> Any:
    torch.manual_seed(3)
    for name, count in zip("ab", labels, strict=True):
        model.add_adapter(name, config=method)
        model.add_classification_head(name, num_labels=count)
    return model.eval()


def tokens() -> dict[str, Any]:
    return {"input_ids": torch.randint(5, 90, (3, 7), generator=torch.Generator().manual_seed(1))}


def audited(model: Any, setup: Any, heads: Any = None, **inputs: Any) -> AuditResult:
    model.set_active_adapters(setup)
    if heads is not None:
        model.active_head = heads
    return audit_model(model, tokens() | inputs)


def asked(compose: str, toy: str = ":bert_with_heads", **fields: Any) -> AuditResult:
    return audit({"model": f"{TOYS}{toy}", "compose": compose, "heads": HEADS} | fields)


@pytest.mark.parametrize("setup", [PARALLEL, SPLIT])
def test_each_head_is_its_adapters(setup: Any) -> None:
    result = audited(two_heads(bert_with_heads()), setup)
    assert (result.verdict, result.findings) == (Verdict.COMPATIBLE, ())


@pytest.mark.parametrize("compose", ["parallel(a,b)", "batchsplit(a,b;1,2)", "stack(a,b)"])
@pytest.mark.parametrize("more", [{}, {"inputs": ["labels"]}, {"inputs": ["labels"], "mode": "train"}])
def test_heads_of_a_spec(compose: str, more: dict[str, Any]) -> None:
    result = asked(compose, **more)
    assert (result.verdict, result.findings) == (Verdict.COMPATIBLE, ())


@pytest.mark.parametrize("toy", ["swaps_heads", "serves_all_with_one_head"])
@pytest.mark.parametrize("compose", ["parallel(a,b)", "batchsplit(a,b;1,2)"])
@pytest.mark.parametrize("labels", ["3", "2"])
def test_a_head_on_the_rows_of_another_adapter(toy: str, compose: str, labels: str) -> None:
    heads = HEADS | {"b": f"classification[num_labels={labels}]"}
    result = asked(compose, f".broken:{toy}", heads=heads)
    findings = [f for f in result.findings if f.rule == "AA201"]
    assert result.verdict is Verdict.WRONG
    assert {f.shapes["output"] for f in findings} == {"logits"}
    # One finding for each place: the swapped lanes end in different modules.
    assert any("b is not what the adapter gives alone" in f.message for f in findings)


@pytest.mark.parametrize("make", [swaps_heads, serves_all_with_one_head])
def test_a_defect_of_a_model_in_hand(make: Any) -> None:
    assert audited(two_heads(make(), (2, 2)), PARALLEL).verdict is Verdict.WRONG


def test_heads_that_are_swapped_by_hand() -> None:
    result = audited(two_heads(bert_with_heads()), PARALLEL, ["b", "a"])
    assert [f.rule for f in result.findings] == ["AA003"]
    assert result.verdict is Verdict.WRONG


@pytest.mark.parametrize("setup", [PARALLEL, SPLIT])
def test_a_head_full_of_nan_hides_its_adapter(setup: Any) -> None:
    model = two_heads(bert_with_heads())
    for parameter in model.heads["b"].parameters():
        parameter.data.fill_(float("nan"))
    result = audited(model, setup)
    assert result.verdict is Verdict.NO_EFFECT
    (finding,) = result.findings
    assert finding.message.startswith("adapter b changes nothing: its rows are no finite numbers")


def test_a_head_that_is_active_by_hand_is_the_one_that_runs() -> None:
    model = two_heads(bert_with_heads())
    assert audited(model, "a", "b").verdict is Verdict.COMPATIBLE
    for parameter in model.heads["b"].parameters():
        parameter.data.fill_(float("nan"))
    assert audited(model, "a", "b").verdict is Verdict.NO_EFFECT
    assert audited(model, "a", "a").verdict is Verdict.COMPATIBLE


def test_several_heads_of_all_rows() -> None:
    model = two_heads(bert_with_heads())
    assert audited(model, ac.Stack("a", "b"), ["a", "b"]).verdict is Verdict.COMPATIBLE
    assert audited(model, ac.Average("a", "b"), ["a", "b"], labels=torch.tensor([0, 1, 0])).verdict is (
        audited(model, ac.Average("a", "b"), "a").verdict
    )


def test_the_loss_of_several_heads_is_their_sum() -> None:
    model = two_heads(bert_with_heads())
    labels = torch.tensor([0, 1, 1])
    assert audited(model, PARALLEL, labels=labels).verdict is Verdict.COMPATIBLE

    class Halved(type(model)):  # type: ignore[misc]
        def forward_head(self, *args: Any, **kwargs: Any) -> Any:
            output = super().forward_head(*args, **kwargs)
            if "head_outputs" in output:
                output["loss"] = output["loss"] / 2
            return output

    model.__class__ = Halved
    result = audited(model, PARALLEL, labels=labels)
    assert "the sum of the heads' losses" in result.findings[0].message


def test_tasks_by_name() -> None:
    model = two_heads(bert_with_heads(), method="lora")
    result = audited(model, ac.MultiTask("a", "b"), "a", task_ids=["b", "a", "b"])
    assert (result.verdict, result.unknowns) == (Verdict.COMPATIBLE, ())


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"heads": {"a": "classifications"}}, "did you mean classification"),
        ({"heads": {"a": "classification[labels=2]"}}, "no argument 'labels'"),
        ({"heads": {"a": "classification[num_labels=2"}}, "names with plain values"),
        ({"heads": {"c": "classification"}}, "names an adapter that is not in the composition"),
        ({"active_head": ["z"]}, "the model has no head 'z'"),
        ({"head": "SequenceClassification"}, "exclude each other"),
        ({"model": f"{TOYS}:bert"}, "is no model with heads under names"),
    ],
)
def test_what_is_no_head(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words.replace("(", r"\(")):
        asked("parallel(a,b)", **fields)
