"""The static half: shape traces of the composition and its references on the meta device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..build.inputs import repeat_rows
from ..build.subject import Subject
from ..facts.facts import StaticFacts
from ..schema.composition import DIVIDED, Node, adapter_names, lane_reference, walk
from ..trace.align.repair import Repairs
from ..trace.align.twins import TwinTable, classify, shape_table
from ..trace.recorder import Recorder, followed_modules
from ..trace.runs import Inputs, Run, recorded_run


def static_half(subject: Subject) -> StaticFacts:
    """Trace references and composition, align them and classify the lanes.

    `subject.model` is on meta and active set-ups are switched; the composition is active at the end.
    """
    assert subject.inputs is not None
    with followed_modules():
        return _traced(subject, subject.inputs.make(subject.job.rows))


def _traced(subject: Subject, inputs: Inputs) -> StaticFacts:
    lanes, rows = subject.job.lanes, subject.job.rows
    trees, alike = _reference_trees(subject)
    references = {
        lane: _run(subject, tree, inputs, head=_head(subject, lane)) for lane, tree in trees.items()
    }
    first = references[0]
    widened = _widened(subject, lanes, inputs, first)
    tables = [shape_table(run.trace) for run in references.values()]
    table = TwinTable(tables, shape_table(widened.trace), lanes, rows, alike)
    composed = _run(subject, subject.tree, inputs, _repairs(first, widened, table))
    classify(composed.trace, table)
    return StaticFacts(
        trace=composed.trace,
        reference_failures={lane: run.failure for lane, run in references.items() if run.failure},
        shared_outputs=first.trace.outputs,
        expanded_outputs=widened.trace.outputs,
    )


def _reference_trees(subject: Subject) -> tuple[dict[int, Node | None], dict[str, str]]:
    """Lane -> its reference; lanes whose adapters are configured alike share the first one's shapes.

    Also which adapter stands for which other one. Without Parallel there are no lanes: the model without
    active adapters tells the shapes.
    """
    lanes = subject.job.lanes
    if lanes == 1:
        return {0: None}, {}
    found: dict[tuple[str, ...], tuple[int, Node]] = {}
    alike: dict[str, str] = {}
    for lane in range(lanes):
        tree = lane_reference(subject.tree, lane)
        head = _head(subject, lane) or ""
        kinds = (
            _skeleton(tree),
            subject.job.spec.heads.get(head, head),
            *(subject.job.methods.get(n, n) for n in adapter_names(tree)),
        )
        _, first = found.setdefault(kinds, (lane, tree))
        alike.update(zip(adapter_names(tree), adapter_names(first), strict=True))
    return dict(found.values()), {name: other for name, other in alike.items() if name != other}


def _head(subject: Subject, lane: int) -> str | None:
    """The head that serves a lane; None where all lanes have the same."""
    names = subject.heads.names if subject.heads is not None else ()
    return names[lane] if 1 < len(names) == subject.job.lanes else None


def _skeleton(tree: Node) -> str:
    if isinstance(tree, str):
        return "."
    return f"{tree.kind}({','.join(map(_skeleton, tree.children))};{tree.numbers})"


def _widened(subject: Subject, lanes: int, inputs: Inputs, first: Run) -> Run:
    """The first reference with the batch N times over: the shapes that expanded tensors should have.

    A BatchSplit inside a lane is made for B rows; then (and without lanes) nothing is run, and the
    expected shapes follow from the first axis.
    """
    tree = lane_reference(subject.tree, 0)
    fixed = not isinstance(tree, str) and any(b.kind in DIVIDED for b in walk(tree))
    if lanes == 1 or fixed or first.failure:
        return Run(outputs={})
    return _run(subject, tree, repeat_rows(inputs, lanes, subject.job.rows), head=_head(subject, 0))


def _repairs(first: Run, widened: Run, table: TwinTable) -> Repairs:
    shapes = {
        key: (shape, table.twin_expanded(key, shape) or shape) for key, shape in table.shared[0].items()
    }
    source = widened if widened.recorder is not None else first
    return Repairs(shapes, _paired(_modules(first), _modules(source)))


def _modules(run: Run) -> Mapping[tuple[str, int], Any]:
    return run.recorder.module_outputs if run.recorder is not None else {}


def _paired(first: Mapping[Any, Any], second: Mapping[Any, Any]) -> dict[Any, tuple[Any, Any]]:
    return {key: (value, second[key]) for key, value in first.items() if key in second}


def _run(
    subject: Subject,
    tree: Node | None,
    inputs: Inputs,
    repairs: Repairs | None = None,
    head: str | None = None,
) -> Run:
    package = subject.library.package
    recorder = Recorder(subject.model, repairs=repairs, names=subject.names, package=package)
    try:
        subject.activate(tree, head)
    except Exception as error:
        recorder.stopped(error)
        failure = recorder.trace.failures[-1]
        return Run(failure=failure, trace=recorder.trace, recorder=recorder)
    given = {**inputs, **subject.library.call_arguments(tree)}
    return recorded_run(subject.model, given, subject.job.spec.mode, recorder, **subject.run_options())
