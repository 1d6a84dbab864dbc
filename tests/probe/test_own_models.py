"""Models that nobody has seen: odd outputs, moving state, round-off as an output; each with its defect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import adapters
import pytest
import torch
from adapters.composition import Parallel
from torch import nn

from adapter_audit.auditor import toys
from adapter_audit.auditor.facts.facts import ProbeFacts
from adapter_audit.auditor.probe.checks.call_purity import Call, ResultDrift
from adapter_audit.auditor.probe.checks.lane_isolation import LaneLeak
from adapter_audit.auditor.probe.checks.lane_parity import LaneGap
from adapter_audit.auditor.probe.measuring_bench import MeasuringBench
from adapter_audit.auditor.probe.run_checks import probe
from adapter_audit.auditor.request.job import Job
from adapter_audit.auditor.request.model_source import ModelSource
from adapter_audit.auditor.schema.spec import AuditSpec
from adapter_audit.auditor.source.source_files import source_line

Change = Callable[[torch.Tensor], Any]
ROWS = 3


def answering(change: Change, *, swapped: bool = False) -> Callable[[], Any]:
    """A BERT whose forward gives what `change` makes of its states; `swapped`: of those of another lane."""

    def make() -> Any:
        model = toys.bert()
        adapters.init(model)

        def hook(module: Any, args: Any, output: Any) -> Any:
            states = output.last_hidden_state
            lanes = isinstance(module.active_adapters, Parallel)
            return change(states.roll(ROWS, 0) if swapped and lanes else states)

        model.register_forward_hook(hook)
        return model

    return make


def inside(kind: Callable[[], nn.Module], *, larger: bool = False) -> Callable[[], Any]:
    """A BERT with one more layer behind its first one, which gives more in lanes with `larger`."""

    def make() -> Any:
        model, layer = toys.bert(), kind()
        adapters.init(model)
        model.encoder.layer[0].output.add_module("own", layer)

        def hook(module: Any, args: Any, output: Any) -> Any:
            lanes = isinstance(model.active_adapters, Parallel)
            return layer(output) * (1 + torch.arange(toys.WIDTH) / 10 if larger and lanes else 1)

        model.encoder.layer[0].output.register_forward_hook(hook)
        return model

    return make


def job(factory: Callable[[], Any], **fields: Any) -> Job:
    spec = {"model": "own", "compose": "parallel(a,b)", "adapter": "lora", "batch": ROWS, **fields}
    return Job.of(AuditSpec.read(spec), ModelSource("own", "function", factory=factory))


def probed(factory: Callable[[], Any], **fields: Any) -> ProbeFacts:
    return probe(job(factory, **fields))


@dataclass
class Inner:
    states: torch.Tensor
    width: int = 32


class Answer:
    def __init__(self, states: torch.Tensor) -> None:
        self.inner = {"deep": Inner(states)}


READABLE: dict[str, Change] = {
    "object": Answer,
    "numpy": lambda states: states.detach().numpy(),
    "list of rows": list,
    "list of dicts": lambda states: [{"row": row} for row in states],
    "time first": lambda states: states.transpose(0, 1),
    "flat": lambda states: states.flatten(0, 1),
    "flat, time first": lambda states: states.transpose(0, 1).reshape(-1, states.shape[-1]),
    "complex": torch.fft.fft,
    "sparse": lambda states: states.to_sparse(),
}


@pytest.mark.parametrize("kind", READABLE)
def test_odd_outputs_are_compared(kind: str) -> None:
    healthy = probed(answering(READABLE[kind]))
    assert (healthy.failure, healthy.observations, healthy.unanswered) == (None, (), {})
    wrong = probed(answering(READABLE[kind], swapped=True))
    assert {gap.lane for gap in wrong.observations if isinstance(gap, LaneGap)} == {0, 1}


UNREADABLE: dict[str, tuple[Change, str]] = {
    "generator": (lambda states: {"rows": (row for row in states)}, "output rows"),
    "sum": (lambda states: states.sum(), "output output"),
    "gram": (lambda states: {"gram": torch.einsum("bsh,bsk->hk", states, states)}, "output gram"),
    "words": (lambda states: {"x": object(), "y": states}, "output x"),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_what_cannot_be_lined_up_is_named(kind: str) -> None:
    change, name = UNREADABLE[kind]
    for swapped in (False, True):
        assert list(probed(answering(change, swapped=swapped)).unanswered) == [name]


def test_outputs_beside_the_rows_change_no_verdict() -> None:
    told = probed(answering(lambda states: {"states": states, "mean": states.mean(), "name": "x", "n": 3}))
    assert (told.observations, told.unanswered) == ((), {})


class Running(nn.Module):
    """Divides by a size that follows what it sees in training."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("size", torch.ones(()))
        self.calls = 0

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        if self.training:
            with torch.no_grad():
                self.size.mul_(0.5).add_(0.5 * states.abs().max())  # type: ignore[operator]
        result: torch.Tensor = states / self.size
        return result


class OverRows(nn.Module):
    """BatchNorm over the components of states."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(toys.WIDTH, **options)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.norm(states.transpose(1, 2)).transpose(1, 2)
        return result


@pytest.mark.parametrize("mode", ["forward", "train"])
@pytest.mark.parametrize("layer", [Running, OverRows])
def test_state_that_moves_in_training_is_nobodys_fault(layer: type[nn.Module], mode: str) -> None:
    healthy = probed(inside(layer), mode=mode)
    assert (healthy.failure, healthy.observations, healthy.unanswered) == (None, (), {})
    assert any("eval mode" in note for note in healthy.notes) == (mode == "train")
    wrong = probed(inside(layer, larger=True), mode=mode)
    assert any(isinstance(gap, LaneGap) for gap in wrong.observations)


def test_a_bench_leaves_the_model_as_it_was() -> None:
    torch.set_default_dtype(torch.float64)
    bench = MeasuringBench(job(inside(Running), mode="train"))
    layer = bench.model.encoder.layer[0].output.own
    bench.composed()
    random, state = torch.get_rng_state(), (layer.calls, float(layer.size))
    for tree in (bench.tree, None, bench.references[0].tree):
        bench.run(tree)
        bench.witnessed(tree)
    bench.parameters_with_gradient()
    assert (layer.calls, float(layer.size)) == state == (0, 1.0)
    assert torch.equal(torch.get_rng_state(), random)
    with bench.states_move():
        bench.run(None)
        assert layer.calls > 0
    assert layer.calls == 0


def test_statistics_that_a_kernel_writes_are_put_back() -> None:
    """The kernel of batch norm writes its averages without telling autograd."""
    bench = MeasuringBench(job(inside(OverRows)))
    before = {name: value.clone() for name, value in bench.model.named_buffers()}
    bench.parameters_with_gradient()  # a run in train mode
    assert all(torch.equal(value, before[name]) for name, value in bench.model.named_buffers())


class Counting(nn.Module):
    """Gives more from call to call, with or without lanes."""

    def __init__(self, only_in_lanes: bool) -> None:
        super().__init__()
        self.only_in_lanes = only_in_lanes
        self.calls = 0.0

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        self.calls += states.shape[0] > ROWS if self.only_in_lanes else 1
        return states * (1 + self.calls / 8)


def test_drift_is_blamed_on_the_composition_that_adds_it() -> None:
    assert probed(inside(lambda: Counting(only_in_lanes=False))).observations == ()
    found = probed(inside(lambda: Counting(only_in_lanes=True))).observations
    assert [o.call for o in found if isinstance(o, ResultDrift)] == [Call.NEXT]


def test_noise_of_the_model_itself_is_no_drift() -> None:
    noisy = probed(answering(lambda states: states + torch.rand(states.shape[1:])))
    assert noisy.observations == ()


class MixesRows(nn.Module):
    """Adds a share of the batch's mean."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return states + self.share * states.mean(0, keepdim=True)


def test_rows_that_the_model_mixes_itself() -> None:
    little = probed(inside(lambda: MixesRows(1e-6)))
    assert (little.observations, little.unanswered) == ((), {})
    much = probed(inside(lambda: MixesRows(0.5)))
    assert not any(isinstance(o, LaneGap | LaneLeak) for o in much.observations)
    assert list(much.unanswered) == ["lanes"]
    assert "test_own_models.py" in much.unanswered["lanes"]


def test_what_lanes_add_to_a_model_that_mixes_rows_is_found() -> None:
    def make() -> Any:
        model = inside(lambda: MixesRows(0.5))()

        def hook(module: Any, args: Any, output: Any) -> Any:
            return output.roll(ROWS, 0) if isinstance(model.active_adapters, Parallel) else output

        model.encoder.layer[0].intermediate.register_forward_hook(hook)
        return model

    assert any(isinstance(o, LaneGap) for o in probed(make).observations)


def test_round_off_is_no_output() -> None:
    """The mean of normalised states is 1e-17, and another 1e-17 in lanes."""
    normed = nn.LayerNorm(toys.WIDTH, elementwise_affine=False, eps=0.0)
    ones = torch.softmax
    outputs: list[Change] = [
        lambda states: {"states": states, "mean": normed(states).mean(-1)},
        lambda states: {"states": states, "rest": ones(states, -1).sum(-1) - 1},
    ]
    for change in outputs:
        assert probed(answering(change)).observations == ()


def test_an_adapter_moves_more_than_round_off() -> None:
    """An output of round-off changes with every weight; that is no effect of an idle adapter."""
    from adapter_audit.auditor.probe.checks.adapter_effect import IdleAdapter

    idle = answering(lambda states: {"rest": torch.softmax(states, -1).sum(-1) - 1})
    found = probed(idle).observations
    assert [o.adapter for o in found if isinstance(o, IdleAdapter)] == ["a", "b"]


def test_a_cause_is_no_round_off() -> None:
    """A LayerNorm of normalised states computes a mean of 1e-17 in front of the line that is wrong."""
    norm = nn.LayerNorm(toys.WIDTH)

    def change(states: torch.Tensor) -> torch.Tensor:
        again = norm.to(states)(norm.to(states)(states))
        return again * (1 + torch.arange(len(again)).view(-1, 1, 1) // ROWS)

    gaps = [o for o in probed(answering(change)).observations if isinstance(o, LaneGap)]
    assert [gap.lane for gap in gaps] == [1]
    assert gaps[0].departure is not None
    assert "arange" in source_line(gaps[0].departure.site.file, gaps[0].departure.site.line)
