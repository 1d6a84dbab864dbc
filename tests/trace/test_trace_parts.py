"""Twins, queries, repairs, kernels and graphs, on traces written by hand where that says more."""

from __future__ import annotations

import io
import pickle
from collections import namedtuple
from typing import Any

import networkx as nx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adapter_audit.auditor.assess.static_half import static_half
from adapter_audit.auditor.build.subject import build
from adapter_audit.auditor.request.job import resolved_job
from adapter_audit.auditor.schema.result import AuditResult, Verdict
from adapter_audit.auditor.schema.spec import AuditSpec
from adapter_audit.auditor.trace.align.repair import Repairs
from adapter_audit.auditor.trace.align.twins import TwinTable, classify
from adapter_audit.auditor.trace.fx_graph import fx_graph, graph_data
from adapter_audit.auditor.trace.meta import kernel_cache as kernels
from adapter_audit.auditor.trace.operators import operator
from adapter_audit.auditor.trace.recorder import Recorder
from adapter_audit.auditor.trace.records import Key, Lane, Operand, Record, Shape, Site, Trace
from adapter_audit.auditor.trace.trace_graph import TraceGraph
from adapter_audit.reports.report import render

N, B = 2, 3
aten = torch.ops.aten


def key(index: int, op: str = "aten.add.Tensor") -> Key:
    return Key("m", 0, "f.py", index, op, 0)


def trace_of(*steps: tuple[Shape, tuple[int, ...]], ops: dict[int, str] | None = None) -> Trace:
    """Records of these shapes, each made of earlier ones; an empty tuple of producers reads the input."""
    records = []
    for index, (shape, producers) in enumerate(steps):
        operands = tuple(Operand(records[p].shape, p) for p in producers) or (Operand((B, 4), None),)
        name = (ops or {}).get(index, "aten.add.Tensor")
        records.append(Record(index, key(index, name), Site("f.py", index, "f"), operands, (shape,)))
    return Trace(records=records)


def classified(
    trace: Trace, shared: dict[int, Shape], expanded: dict[int, Shape] | None = None
) -> list[Lane]:
    names = {r.index: r.key for r in trace.records}
    first = {names[i]: s for i, s in shared.items()}
    wide = {names[i]: s for i, s in (expanded or {i: (s[0] * N, *s[1:]) for i, s in shared.items()}).items()}
    classify(trace, TwinTable([first], wide, N, B))
    return [r.lane for r in trace.records]


def test_shapes_of_twins_tell_the_state() -> None:
    trace = trace_of(((3, 4), ()), ((6, 4), (0,)), ((3, 8), (1,)), ((5,), ()))
    lanes = classified(
        trace, {0: (3, 4), 1: (3, 4), 2: (3, 4), 3: (5,)}, {0: (6, 4), 1: (6, 4), 2: (6, 4), 3: (5,)}
    )
    assert lanes == [Lane.SHARED, Lane.EXPANDED, Lane.LEAKED, Lane.CONSTANT]


def test_another_length_is_not_a_leak() -> None:
    trace = trace_of(((3, 4), ()), ((3, 7), (0,)))
    assert classified(trace, {0: (3, 4), 1: (3, 4)})[1] is Lane.UNKNOWN


def test_what_follows_a_leak_leaks() -> None:
    trace = trace_of(((3, 8), ()), ((3, 9), (0,)))
    assert classified(trace, {0: (3, 4), 1: (3, 4)}) == [Lane.LEAKED, Lane.LEAKED]


def test_ops_without_twin_follow_their_operands() -> None:
    trace = trace_of(((3, 4), ()), ((6, 4), (0,)), ((6, 4), (1,)), ((3, 4), (2,)), ((6, 4), (3, 3)))
    assert classified(trace, {0: (3, 4)}) == [
        Lane.SHARED,
        Lane.EXPANDED,
        Lane.EXPANDED,
        Lane.LANE,
        Lane.EXPANDED,
    ]


def test_weights_are_constant_and_inputs_shared() -> None:
    trace = trace_of(((3, 4), ()))
    operands = (Operand((4,), None, "layer.bias"), Operand((3, 4), None))
    assert trace.operand_lanes(trace.records[0]._replace(operands=operands)) == [Lane.CONSTANT, Lane.SHARED]


def test_a_record_stays_as_it_is() -> None:
    (record,) = trace_of(((3, 4), ())).records
    with pytest.raises(AttributeError):
        record.lane = Lane.LEAKED  # type: ignore[misc]


def chain() -> Trace:
    """input(shared) -> replicated -> moved -> leak -> consumer; a second shared origin joins at the end."""
    trace = trace_of(
        ((3, 4), ()),
        ((6, 4), (0,)),
        ((6, 4), (1,)),
        ((3, 8), (2,)),
        ((3, 8), (3,)),
        ((3, 4), ()),
        ((3, 4), (5,)),
        ((3, 8), (4, 6)),
        ops={2: "aten.transpose.int", 3: "aten.view.default", 6: "aten.view.default"},
    )
    states = [
        Lane.SHARED,
        Lane.EXPANDED,
        Lane.EXPANDED,
        Lane.LEAKED,
        Lane.LEAKED,
        Lane.SHARED,
        Lane.SHARED,
        Lane.LEAKED,
    ]
    return Trace([r._replace(lane=state) for r, state in zip(trace.records, states, strict=True)])


def test_root_cause_queries() -> None:
    graph = TraceGraph(chain())
    assert [r.index for r in graph.leak_roots([7])] == [3]
    assert [r.index for r in graph.leak_roots([6])] == []
    expanded = graph.expanded_at(7)
    assert expanded is not None
    assert expanded.index == 1
    assert graph.expanded_at(6) is None
    assert graph.made_at(6).index == 5
    assert graph.made_at(2).index == 1
    assert [r.index for r in graph.path(1, 7)] == [1, 2, 3, 4, 7]
    assert graph.path(7, 1) == []
    assert graph.ancestors(4) == {0, 1, 2, 3, 4}
    assert graph.descendants(5) == {5, 6, 7}
    assert set(graph.slice(7).nodes) == set(range(8))
    assert graph.nx.edges[6, 7]["position"] == 1


def test_a_leak_behind_a_repair_is_a_leak_of_its_own() -> None:
    trace = chain()
    trace.records[4] = trace.records[4]._replace(repaired=True, lane=Lane.EXPANDED)
    assert [r.index for r in TraceGraph(trace).leak_roots([7])] == [3, 7]


def test_constants_are_not_part_of_a_slice() -> None:
    trace = chain()
    for index in (5, 6):
        trace.records[index] = trace.records[index]._replace(lane=Lane.CONSTANT)
    assert set(TraceGraph(trace).slice(7).nodes) == {0, 1, 2, 3, 4, 7}


Pair = namedtuple("Pair", "states cache")


class Cache:
    """Neither a tensor nor a container."""


def test_modules_are_repaired_with_what_the_reference_returned() -> None:
    wide = torch.ones(6, 4)
    found: dict[Any, Any] = {
        "tuple": (wide, None, [wide, 3]),
        "named": Pair(wide, "x"),
        "mapping": {"a": wide},
        "cache": (wide, Cache()),
    }
    repairs = Repairs({}, {(name, 0): (None, value) for name, value in found.items()})
    own = Cache()
    out = repairs.module_output(("tuple", 0), ((), {}))
    assert isinstance(out, tuple)
    assert (out[0].shape, out[1], out[2][1]) == ((6, 4), None, 3)
    assert type(repairs.module_output(("named", 0), ((), {}))) is Pair
    assert repairs.module_output(("mapping", 0), ((), {}))["a"].shape == (6, 4)
    assert repairs.module_output(("cache", 0), ((own,), {}))[1] is own
    assert repairs.module_output(("cache", 0), ((), {})) is None
    assert repairs.module_output(("unknown", 0), ((), {})) is None


def test_ops_are_repaired_in_the_twins_shape() -> None:
    repairs = Repairs({key(0): ((3, 4), (6, 4))}, {})
    out = repairs.op_output(key(0), (torch.ones(3, dtype=torch.float64),))
    assert out is not None
    assert (tuple(out.shape), out.dtype) == ((6, 4), torch.float64)
    assert repairs.op_output(key(1), (torch.ones(3),)) is None
    assert repairs.op_output(key(0), (torch.ones(3, dtype=torch.long),)) is None
    assert repairs.fits(key(0), (3, 4))
    assert repairs.fits(key(0), (6, 4))
    assert not repairs.fits(key(0), (5, 4))
    assert repairs.fits(key(9), (5, 4))


OPS = [aten.add.Tensor, aten.mul.Tensor, aten.maximum.default, aten.eq.Tensor, aten.div.Tensor]
SIZES = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple)
DTYPES = st.sampled_from([torch.float32, torch.float64, torch.int64, torch.bool])


@given(st.sampled_from(OPS), SIZES, DTYPES, st.sampled_from([1, 1.0, True, None]), st.booleans())
def test_remembered_kernels_are_those_of_torch(
    op: Any, shape: Shape, dtype: Any, other: Any, turned: bool
) -> None:
    one = torch.empty(shape, dtype=dtype, device="meta")
    one = one.transpose(0, -1) if turned else one
    second = (
        torch.empty(shape, dtype=torch.float32, device="meta").transpose(0, -1)
        if turned
        else torch.empty(shape, device="meta")
    )
    arguments = (one, second if other is None or op is aten.maximum.default else other)
    try:
        expected = op(*arguments)
    except RuntimeError:
        with pytest.raises(RuntimeError):
            kernels.call(operator(op), arguments, {})
        return
    for _ in range(2):
        found = kernels.call(operator(op), arguments, {})
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
        # the stride of an axis of size one means nothing, and kernels differ in it
        assert _strides(found) == _strides(expected)
        assert found is not expected


def test_a_slice_may_reach_over_more_memory_than_it_has_elements() -> None:
    slice_ = torch.empty(3, 30, 1 << 16, device="meta")[:, :, :8]
    assert slice_.numel() < kernels.MEDIUM < slice_.stride(0) * 3
    assert kernels.call(operator(aten.cat.default), ([slice_, slice_], 2), {}).shape == (3, 30, 16)


def test_an_adapter_is_aligned_with_the_one_that_was_run_in_its_stead() -> None:
    def key(module: str) -> Key:
        return Key(module, 0, "x.py", 1, "aten.mm.default", 0)

    table = TwinTable([{key("layer.loras.a"): (B, 4)}], {key("layer.loras.a"): (N * B, 4)}, N, B, {"b": "a"})
    assert table.twin(key("layer.loras.b")) == (B, 4)
    assert table.twin_expanded(key("layer.loras.b"), (B, 4)) == (N * B, 4)
    assert table.twin(key("layer.loras.c")) is None


def test_the_batch_may_be_another_axis_than_the_first() -> None:
    assert TwinTable([], {}, N, B)._with_lanes((64, B, 8)) == (64, N * B, 8)
    assert TwinTable([], {}, N, B)._with_lanes((B * 4, B)) == (B * 4 * N, B)
    assert TwinTable([], {}, N, B)._with_lanes((64, 8)) == (64, 8)


def test_views_and_writes_are_never_remembered() -> None:
    base = torch.zeros(2, 3)
    view = kernels.call(operator(aten.transpose.int), (base, 0, 1), {})
    view.fill_(1)
    assert base.sum() == 6
    assert kernels.call(operator(aten.add_.Tensor), (base, 1), {}) is base


def traced_bert() -> Trace:
    spec = AuditSpec.read({"model": "adapter_audit.auditor.toys:bert", "compose": "parallel:2"})
    return static_half(build(resolved_job(spec))).trace


@pytest.fixture(scope="module")
def bert_trace() -> Trace:
    return traced_bert()


def test_no_record_holds_a_tensor(bert_trace: Trace) -> None:
    assert b"torch" not in pickle.dumps(bert_trace)


def test_fx_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    recorders: list[Recorder] = []

    def kept(*arguments: Any, **options: Any) -> Recorder:
        recorders.append(Recorder(*arguments, **options))
        return recorders[-1]

    monkeypatch.setattr("adapter_audit.auditor.assess.static_half.Recorder", kept)
    bert_trace = traced_bert()
    assert recorders[-1].trace is bert_trace
    graph = fx_graph(bert_trace, recorders[-1].calls)
    graph.lint()
    calls = [n for n in graph.nodes if n.op == "call_function"]
    assert len(calls) == len(bert_trace.records)
    assert all(isinstance(n.target, torch._ops.OpOverload) for n in calls)
    assert {n.meta["lane"] for n in calls} >= {"shared", "expanded"}
    assert [n.meta["val"] for n in calls] == [r.shapes for r in bert_trace.records]


def test_graphml_round_trip(bert_trace: Trace) -> None:
    result = AuditResult(verdict=Verdict.COMPATIBLE, spec={}, graph=graph_data(bert_trace))
    read = nx.read_graphml(io.StringIO(render("graph", [result])), node_type=int)
    ours = TraceGraph(bert_trace).nx
    assert set(read.nodes) == set(ours.nodes)
    assert set(read.edges) == set(ours.edges)
    assert read.nodes[0] == {**ours.nodes[0], "error": ""}


def test_graph_data_is_json(bert_trace: Trace) -> None:
    data = graph_data(bert_trace)
    assert type(data).model_validate_json(data.model_dump_json()) == data
    assert all(i < n for n, node in enumerate(data.nodes) for i in node.inputs)
    assert all(text for place, text in data.sources.items() if "/" in place)


def _strides(tensor: torch.Tensor) -> list[int]:
    return [stride for stride, size in zip(tensor.stride(), tensor.shape, strict=True) if size > 1]
