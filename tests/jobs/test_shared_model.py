"""Compositions on a shared model come out as if each had been audited alone, whatever the others do."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from adapter_audit.auditor.jobs import batch_lines, forked_audits
from adapter_audit.auditor.jobs.batch_lines import audit_lines
from adapter_audit.auditor.jobs.result_lines import Line
from adapter_audit.auditor.jobs.share_groups import groups
from adapter_audit.auditor.jobs.shared_model import SharedModel
from adapter_audit.auditor.schema.audit_options import AuditOptions

SMALL: dict[str, dict[str, Any]] = {
    "bert": {
        "model_type": "bert",
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "vocab_size": 99,
        "architectures": ["BertModel"],
    },
    "t5": {
        "model_type": "t5",
        "d_model": 32,
        "d_kv": 8,
        "d_ff": 64,
        "num_layers": 2,
        "num_heads": 4,
        "vocab_size": 99,
        "decoder_start_token_id": 0,
        "architectures": ["T5Model"],
    },
    "gpt2": {
        "model_type": "gpt2",
        "n_embd": 32,
        "n_layer": 2,
        "n_head": 4,
        "vocab_size": 99,
        "architectures": ["GPT2LMHeadModel"],
    },
}
OFFLINE: dict[str, Any] = {"offline": True}
pytestmark = pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="models are shared by fork"
)


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Directories of small models, below the current one."""
    for name, config in SMALL.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps(config))
    monkeypatch.chdir(tmp_path)


def lines(*composes: str, model: str = "bert", adapter: str = "seq_bn", **fields: Any) -> tuple[Line, ...]:
    return tuple(
        Line(c, json.dumps({"model": model, "compose": c, "adapter": adapter} | fields)) for c in composes
    )


def audited(asked: tuple[Line, ...], *, share: bool) -> list[dict[str, Any]]:
    found = [json.loads(text) for text in audit_lines(asked, OFFLINE, share)]
    for result in found:
        del result["seconds"]
    return found


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The compositions that were audited alone."""
    found: list[str] = []
    once = batch_lines.audit_cached

    def noted(job: Any, store: Any) -> Any:
        found.append(job.spec.compose)
        return once(job, store)

    monkeypatch.setattr(batch_lines, "audit_cached", noted)
    return found


ALL = ("parallel(a,b)", "stack(a,b)", "batchsplit(a,b;2,1)", "average(a,b)", "split(a,b;4,3)", "fuse(a,b)")


@pytest.mark.parametrize(
    ("model", "adapter", "composes", "fields"),
    [
        ("bert", "seq_bn", (*ALL, "multitask(a,b)"), {}),
        ("bert", "lora", ("parallel(a,b)", "average(a,b)", "parallel(a,b)"), {"mode": "train"}),
        ("t5", "prefix_tuning", ("parallel(a,b)", "stack(a,b)"), {"mask": "right"}),
        ("gpt2", "lora", ("stack(a,b)", "parallel(a,b)"), {"mode": "beam"}),
    ],
)
def test_every_result_is_that_of_the_single_audit(
    model: str, adapter: str, composes: tuple[str, ...], fields: dict[str, Any], alone: list[str]
) -> None:
    asked = lines(*composes, model=model, adapter=adapter, **fields)
    shared = audited(asked, share=True)
    assert alone == []
    assert shared == audited(asked, share=False)


def test_adapters_that_share_parameters_under_a_block_are_audited_alone(alone: list[str]) -> None:
    asked = lines("parallel(a,b)", "multitask(a,b)", adapter="mtl_lora")
    shared = audited(asked, share=True)
    assert alone == ["multitask(a,b)"]
    assert shared == audited(asked, share=False)


def test_one_that_kills_its_process_is_audited_alone(
    alone: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = SharedModel.audited

    def deadly(self: SharedModel, job: Any) -> Any:
        if job.tree.kind == "stack":
            os.kill(os.getpid(), signal.SIGKILL)
        return whole(self, job)

    monkeypatch.setattr(SharedModel, "audited", deadly)
    asked = lines("parallel(a,b)", "stack(a,b)", "average(a,b)")
    found = audited(asked, share=True)
    assert [result["verdict"] for result in found] == ["compatible", "compatible", "wrong"]
    assert alone == ["stack(a,b)"]
    assert not multiprocessing.active_children()


def test_references_that_kill_the_process_leave_all_to_be_audited_alone(
    alone: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SharedModel, "put_on_bench", lambda self: os.kill(os.getpid(), signal.SIGKILL))
    asked = lines("parallel(a,b)", "stack(a,b)")
    assert [result["verdict"] for result in audited(asked, share=True)] == ["compatible"] * 2
    assert alone == ["parallel(a,b)", "stack(a,b)"]


def test_who_stops_listening_leaves_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    results = audit_lines(lines("parallel(a,b)", "stack(a,b)", "average(a,b)"), OFFLINE)
    assert json.loads(next(results))["verdict"] == "compatible"
    results.close()  # type: ignore[attr-defined]
    assert not multiprocessing.active_children()


def test_a_process_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SharedModel, "put_on_bench", lambda self: signal.pause())
    monkeypatch.setattr(forked_audits, "LONGEST", 0.25)
    (found,) = {r["verdict"] for r in audited(lines("parallel(a,b)", "stack(a,b)"), share=True)}
    assert found == "compatible"


def test_a_model_that_cannot_be_built_says_so_for_each(alone: list[str]) -> None:
    found = audited(lines("parallel(a,b)", "stack(a,b)", adapter="lora[rank=3]"), share=True)
    assert [result["verdict"] for result in found] == ["refused"] * 2
    assert all("arguments of lora" in result["error"] for result in found)


def test_neighbours_share_where_only_the_composition_differs() -> None:
    asked = (
        *lines("parallel(a,b)", "stack(a,b)"),
        *lines("stack(a,b)", adapter="lora"),
        *lines("parallel(a,b,c)", "stack(a,b)", mode="train"),
        *lines("parallel(a,b)", "parallel:2", model="adapter_audit.auditor.toys:bert"),
        Line("bad", "{"),
        *lines("parallel(a,b)", batch=5),
    )
    found = [len(group) for group in groups(asked, AuditOptions())]
    assert found == [2, 1, 1, 1, 1, 1, 1, 1]
    assert [line for group in groups(asked, AuditOptions()) for line in group] == list(asked)


def test_audits_with_fixes_share_nothing() -> None:
    asked = lines("parallel(a,b)", "stack(a,b)")
    assert len(list(groups(asked, AuditOptions(fixes=True)))) == 2
