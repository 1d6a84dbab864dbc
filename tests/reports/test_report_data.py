"""The data steps: folding, slices, diffs, shapes, activity, chains, comparisons."""

from __future__ import annotations

from typing import Literal

import report_samples as samples

from adapter_audit.auditor.schema.result import (
    Activity,
    AuditResult,
    Evidence,
    GraphData,
    GraphNode,
    Location,
    Verdict,
)
from adapter_audit.reports.view import words
from adapter_audit.reports.view.activity_table import activity_table
from adapter_audit.reports.view.cells import grids, missing
from adapter_audit.reports.view.chain import chain
from adapter_audit.reports.view.diff_table import side_by_side
from adapter_audit.reports.view.graph_elements import MAX_OWN_OPS, fold, page_data
from adapter_audit.reports.view.shape_axes import shape_rows


def names(result_modules: list[list[object]]) -> set[object]:
    return {name for name, _, _ in result_modules}


def test_equal_layers_are_one_and_a_different_one_is_not() -> None:
    graph = samples.layered_graph(12)
    assert {"0", "1-11"} <= names(page_data(graph, [])["modules"])
    odd = next(i for i, n in enumerate(graph.nodes) if n.module.startswith("model.layers.5."))
    nodes = list(graph.nodes)
    nodes[odd] = nodes[odd].model_copy(update={"lane": "leaked"})
    changed = page_data(graph.model_copy(update={"nodes": tuple(nodes)}), [])
    assert {"0", "1-4", "5", "6-11"} <= names(changed["modules"])


def test_a_fold_inside_a_fold_ends_at_one_op() -> None:
    nodes = [
        GraphNode(op="mm", module=f"layers.{layer}.experts.{expert}", shape=(2,), lane="shared")
        for layer in range(3)
        for expert in range(4)
    ]
    assert fold(nodes).stands_for == [0] * 12


def test_every_op_is_in_one_module_and_inputs_come_first() -> None:
    data = page_data(samples.layered_graph(6, 200), [])
    for number, node in enumerate(data["nodes"]):
        assert 0 <= node[1] < len(data["modules"])
        assert all(0 <= source < number for source in node[7])
    sizes: dict[int, int] = {}
    for node in data["nodes"]:
        sizes[node[1]] = sizes.get(node[1], 0) + 1
    assert max(sizes.values()) <= MAX_OWN_OPS


def test_a_slice_holds_the_way_from_both_origins() -> None:
    crash = samples.crash()
    assert crash.graph
    slices = page_data(crash.graph, crash.findings)["slices"]
    assert slices[0] == {"keys": [3, 6, 9], "nodes": [3, 6, 7, 8, 9], "gaps": []}
    assert slices[1] == {"keys": [], "nodes": [], "gaps": []}, "a finding without nodes has no slice"


def test_a_long_way_is_drawn_by_its_turns() -> None:
    nodes = [GraphNode(op="repeat", module="m", lane="expanded", shape=(2,))]
    for number in range(1, 20):
        lane: Literal["lane", "expanded"] = "lane" if 5 <= number < 10 else "expanded"
        nodes.append(GraphNode(op="mul", module="m", lane=lane, shape=(2,), inputs=(number - 1,)))
    finding = (
        samples.crash()
        .findings[0]
        .model_copy(
            update={
                "primary": Location(node=19),
                "related": (),
                "evidence": (Evidence(text="", location=Location(node=0)),),
            }
        )
    )
    (found,) = page_data(GraphData(nodes=tuple(nodes)), [finding])["slices"]
    assert found["nodes"] == [0, 5, 10, 18, 19]
    assert found["gaps"] == [[0, 5, 4], [5, 10, 4], [10, 18, 7]]


def test_a_node_number_that_is_out_of_range_is_ignored() -> None:
    crash = samples.crash()
    assert crash.graph
    primary = crash.findings[0].primary.model_copy(update={"node": 99})
    finding = crash.findings[0].model_copy(update={"primary": primary, "related": (), "evidence": ()})
    assert page_data(crash.graph, [finding])["slices"] == [{"keys": [], "nodes": [], "gaps": []}]


def test_a_diff_stands_side_by_side_with_its_line_numbers() -> None:
    rows = side_by_side("--- a/x.py\n+++ b/x.py\n@@ -3,3 +3,4 @@ def f():\n a\n-b\n+B\n+C\n d\n")
    assert [(r.kind, r.old_number, r.old, r.new_number, r.new) for r in rows[3:]] == [
        ("same", 3, "a", 3, "a"),
        ("change", 4, "b", 4, "B"),
        ("change", None, None, 5, "C"),
        ("same", 5, "d", 6, "d"),
    ]
    assert [r.text for r in rows[:3]] == ["--- a/x.py", "+++ b/x.py", "@@ -3,3 +3,4 @@ def f():"]


def test_a_second_file_in_a_diff_starts_anew() -> None:
    diff = "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n--- a/y\n+++ b/y\n@@ -7 +7 @@\n-c\n+d\n"
    rows = side_by_side(diff)
    assert [r.text for r in rows if r.kind == "file"] == ["--- a/x", "+++ b/x", "--- a/y", "+++ b/y"]
    assert rows[-1].old_number == 7


def test_what_is_no_diff_is_shown_as_it_is() -> None:
    assert [r.text for r in side_by_side("[source left out]")] == ["[source left out]"]


def test_shapes_mark_the_dimension_that_differs() -> None:
    expanded, shared = shape_rows(samples.crash().findings[0].shapes)
    assert [(a.size, a.name, a.kind, a.differs) for a in expanded.axes] == [
        ("15", "N*B", "lanes", True),
        ("12", "12", "plain", False),
        ("7", "S", "sequence", False),
        ("7", "S", "sequence", False),
    ]
    assert [a.differs for a in shared.axes] == [True, False, False, False]


def test_shapes_are_compared_in_pairs() -> None:
    rows = shape_rows({"a": "[1, 2]", "b": "[1, 3]", "query": "[9, 9]", "key": "[9, 8]", "alone": "[5, 5]"})
    assert [[a.differs for a in row.axes] for row in rows] == [[False, True]] * 4 + [[False, False]]


def test_a_text_that_is_no_shape_stays_a_text() -> None:
    (row,) = shape_rows({"x": "nothing [1"})
    assert (row.axes, row.text) == ((), "nothing [1")


def test_activity_folds_equal_layers_and_shows_gaps() -> None:
    table = activity_table(samples.crash().activity)
    assert [row.layers for row in table.rows] == ["layer 0", "layers 1-11"]
    assert table.rows[0].cells == ("",) * 5
    assert table.rows[1].cells[0] == "lora: SelfAttention.q, SelfAttention.v"


def test_activity_outside_the_layers_has_its_own_row() -> None:
    table = activity_table([Activity(module="prefix_tuning", layer=-1, method="prefix", adapters=("a",))])
    assert [(row.layers, row.cells) for row in table.rows] == [
        ("outside the layers", ("prefix: prefix_tuning",))
    ]


def test_the_chain_draws_two_tracks_that_meet() -> None:
    steps = chain(samples.crash().findings[0])
    assert [step.track for step in steps] == ["shared", "expanded", "meeting"]
    assert steps[1].above == {"shared"}
    assert steps[2].above == {"shared", "expanded"}
    assert steps[2].below == set()


def test_a_finding_without_evidence_is_drawn_from_its_related_places() -> None:
    finding = samples.crash().findings[0].model_copy(update={"evidence": ()})
    steps = chain(finding)
    assert [step.track for step in steps] == ["shared", "expanded", "meeting"]
    assert steps[-1].location == finding.primary


def test_a_finding_without_any_chain_is_not_drawn() -> None:
    assert chain(samples.batch_one_warning()) == []


def test_changes_are_judged_by_what_they_do_to_a_user() -> None:
    def run(*verdicts: Verdict) -> list[AuditResult]:
        return [
            samples.clean().model_copy(
                update={"verdict": v, "spec": {"model": f"m{n}", "compose": "stack(a,b)"}}
            )
            for n, v in enumerate(verdicts)
        ]

    before = run(
        Verdict.COMPATIBLE, Verdict.CRASH, Verdict.CRASH, Verdict.UNKNOWN, Verdict.WRONG, Verdict.CRASH
    )
    now = run(Verdict.CRASH, Verdict.COMPATIBLE, Verdict.REFUSED, Verdict.CRASH, Verdict.CRASH)
    (grid,) = grids(now, before)
    assert [c.change for c in grid.cells.values()] == ["worse", "better", "better", "changed", "changed"]
    assert missing(now, before) == [("stack(a,b)", "m5", "lora")]


def test_words() -> None:
    assert words.fold_modules(["a.1.x", "a.2.x", "a.4.x", "head"]) == ["a.1-2,4.x", "head"]
    assert words.percent(0.9999) == "99.9 %"
    assert words.percent(1.0) == "100 %"
    assert words.place(Location(file="a.py")) == "a.py"
