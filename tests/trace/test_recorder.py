"""The recorder: what it writes down, that runs align, and that it survives errors."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from adapter_audit.auditor import audit, toys
from adapter_audit.auditor.assess.static_half import static_half
from adapter_audit.auditor.build.subject import build
from adapter_audit.auditor.facts.facts import StaticFacts
from adapter_audit.auditor.request.job import resolved_job
from adapter_audit.auditor.schema.spec import AuditSpec
from adapter_audit.auditor.trace import recorder as recorder_module
from adapter_audit.auditor.trace.align.repair import Repairs
from adapter_audit.auditor.trace.align.twins import shape_table
from adapter_audit.auditor.trace.recorder import Recorder, recording
from adapter_audit.auditor.trace.records import Lane
from adapter_audit.auditor.trace.runs import NEW_TOKENS, execute, named_tensors, recorded_run

BROKEN = "adapter_audit.auditor.toys.broken"


class Block(nn.Module):
    """A linear map with a residual; loops over one line."""

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(2):
            x = x + self.map(x)
        return x


class Toy(nn.Module):
    """The same block twice."""

    def __init__(self) -> None:
        super().__init__()
        self.block = Block()

    def forward(self, x: torch.Tensor, **ignored: Any) -> dict[str, torch.Tensor]:
        return {"y": self.block(self.block(x))}


class Failing(Toy):
    """Adds something of another length behind the blocks."""

    def forward(self, x: torch.Tensor, **ignored: Any) -> dict[str, torch.Tensor]:
        y = self.block(x)
        z = y + torch.zeros(3, 4, device=x.device)
        return {"y": self.block(z)}


def recorded(model: nn.Module, rows: int, device: str = "meta", **options: Any) -> Recorder:
    model = model.to(device)
    found = Recorder(model, **options)
    recorded_run(model, {"x": torch.ones(rows, 4)}, "forward", found)
    return found


def static(model: str, **fields: object) -> StaticFacts:
    spec = AuditSpec.read({"model": model, "compose": "parallel:2"} | fields)
    return static_half(build(resolved_job(spec)))


def test_keys_tell_calls_lines_and_turns_apart() -> None:
    trace = recorded(Toy(), 2).trace
    keys = [r.key for r in trace.records]
    assert len(set(keys)) == len(keys)
    adds = [r.key for r in trace.records if r.key.op == "aten.add.Tensor"]
    assert [(k.module, k.call, k.occurrence) for k in adds] == [
        ("block", 0, 0),
        ("block", 0, 1),
        ("block", 1, 0),
        ("block", 1, 1),
    ]
    assert {k.file.rpartition("/")[2] for k in adds} == {"test_recorder.py"}
    assert trace.outputs == {"y": (2, 4)}


def test_runs_of_other_sizes_and_devices_have_the_same_keys() -> None:
    keys = [
        {r.key for r in recorded(Toy(), rows, device).trace.records if "empty" not in r.key.op}
        for rows, device in ((2, "meta"), (6, "meta"), (2, "cpu"))
    ]
    assert keys[0] == keys[1]
    forward = {k for k in keys[0] if k.op in ("aten.addmm.default", "aten.add.Tensor")}
    assert len(forward) == 8, "two maps and two sums in each of two calls"
    assert forward <= keys[2]


def test_operands_know_their_producers_and_names() -> None:
    trace = recorded(Toy(), 2).trace
    product = next(r for r in trace.records if r.key.op == "aten.addmm.default")
    assert "block.map.bias" in [o.source for o in product.operands]
    add = next(r for r in trace.records if r.key.op == "aten.add.Tensor")
    assert product.index in [o.producer for o in add.operands]
    assert all(o.producer is None or o.producer < r.index for r in trace.records for o in r.operands)


def test_values_are_kept_on_request() -> None:
    found = recorded(Toy(), 2, "cpu", values=True)
    assert found.values is not None
    assert len(found.values) == len(found.trace.records)
    for record, values in zip(found.trace.records, found.values, strict=True):
        assert tuple(tuple(v.shape) for v in values) == record.shapes
    assert recorded(Toy(), 2, "cpu").values is None


def test_an_error_without_repairs_ends_the_run() -> None:
    trace = recorded(Failing(), 2).trace
    assert not trace.completed
    (failure,) = trace.failures
    assert failure.site is not None
    assert failure.site.function == "forward"
    assert trace.records[failure.record or 0].key.op == "aten.add.Tensor"
    assert not failure.repaired
    assert not failure.deliberate


def test_an_error_with_a_twin_is_repaired_and_the_run_goes_on() -> None:
    reference = shape_table(recorded(Failing(), 3).trace)
    repairs = Repairs({key: (shape, (6, *shape[1:])) for key, shape in reference.items()}, {})
    trace = recorded(Failing(), 6, repairs=repairs).trace
    assert trace.completed
    assert [f.repaired for f in trace.failures] == [True]
    assert trace.outputs == {"y": (6, 4)}
    broken = trace.records[trace.failures[0].record or 0]
    assert broken.repaired
    assert "3" in broken.error


@pytest.mark.parametrize("rows", [3, 4])
def test_two_independent_defects_show_in_one_run(rows: int) -> None:
    facts = static(f"{BROKEN}:two_defects", batch=rows)
    assert [f.module for f in facts.trace.failures] == ["encoder.layer.0", "encoder.layer.1"]
    assert facts.trace.completed
    assert facts.trace.outputs["last_hidden_state"][0] == 2 * rows
    result = audit({"model": f"{BROKEN}:two_defects", "compose": "parallel:2", "batch": rows})
    lines = {f.primary.line: f.primary.code for f in result.findings if f.rule == "AA101"}
    assert len(lines) == 2
    assert all('seen["states"]' in code for code in lines.values())


def test_a_healthy_composition_needs_no_repair() -> None:
    trace = static("adapter_audit.auditor.toys:bert", adapter="seq_bn").trace
    assert not trace.failures
    assert not [r for r in trace.records if r.repaired or r.error]
    assert {r.lane for r in trace.records} <= {Lane.CONSTANT, Lane.SHARED, Lane.EXPANDED, Lane.LANE}


def test_everything_behind_the_first_adapter_is_expanded() -> None:
    trace = static("adapter_audit.auditor.toys:bert", adapter="seq_bn").trace
    last = [r for r in trace.records if r.key.module.startswith("encoder.layer.1") and r.shapes]
    states = {r.lane for r in last if len(r.shape) == 3}
    assert Lane.EXPANDED in states
    assert states <= {Lane.EXPANDED, Lane.LANE}
    first = [r for r in trace.records if r.key.module.startswith("embeddings") and len(r.shape) == 3]
    assert first
    assert {r.lane for r in first} <= {Lane.SHARED, Lane.CONSTANT}


def test_boolean_indices_count_their_values() -> None:
    found = Recorder(nn.Identity())
    with recording(found):
        mask = torch.empty(5, dtype=torch.bool, device="meta")
        found.carrier.attach(mask, torch.tensor([True, False, True, False, True]))
        states = torch.empty(5, 4, device="meta")
        assert states[mask].shape == (3, 4)
        states[mask] = 0.0


def test_a_loop_that_does_not_end_is_an_open_question(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(4))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            while True:
                x = x * self.weight

    monkeypatch.setattr(recorder_module, "MAX_RECORDS", 50)
    trace = recorded(Endless(), 2).trace
    assert not trace.failures
    assert "did not end within 50" in trace.unknowns[0]


def test_refusals_on_purpose_are_never_repaired() -> None:
    facts = static("adapter_audit.auditor.toys:bert", compose="fuse(a,b)", adapter="lora")
    assert [f.deliberate for f in facts.trace.failures] == [True]
    assert not facts.trace.completed


def test_outputs_by_name_leave_caches_out() -> None:
    t = torch.ones(1)
    output = {"logits": t, "past_key_values": (t, t), "hidden_states": (t, [t]), "n": 3}
    assert [name for name, _ in named_tensors(output)] == ["logits", "hidden_states.0", "hidden_states.1.0"]
    assert [name for name, _ in named_tensors(t)] == ["output"]


def test_training_records_the_backward_pass_too() -> None:
    model = toys.bert()
    found = Recorder(model)
    run = recorded_run(model, {"input_ids": torch.ones(2, 5, dtype=torch.long)}, "train", found)
    assert run.failure is None
    assert any("backward" in r.key.op for r in found.trace.records)
    assert not model.training


@pytest.mark.parametrize("mode", ["generate", "beam"])
def test_decoded_text_never_is_padding(mode: str) -> None:
    model = toys.t5()
    pad = model.config.pad_token_id
    head = nn.Linear(model.config.d_model, model.config.vocab_size)
    nn.init.zeros_(head.weight)
    nn.init.constant_(head.bias, 0.0)
    head.bias.data[pad] = 9.0
    model.lm_head = head
    output = execute(model, {"input_ids": torch.tensor([[5, 6, 7]])}, mode)
    assert output.sequences.shape == (1, 1 + NEW_TOKENS)
    assert (output.sequences[:, 1:] != pad).all()
