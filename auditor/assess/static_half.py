"""The static half: shape traces of the composition and its references on the meta device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..build.inputs import repeat_rows
from ..build.subject import Subject
from ..facts.facts import StaticFacts
from ..request.job import Job
from ..schema.composition import DIVIDED, Node, adapter_names, lane_reference, walk
from ..schema.heads import Heads
from ..trace.align.repair import Repairs
from ..trace.align.twins import TwinTable, classify, shape_table
from ..trace.recorder import Recorder, followed_modules
from ..trace.runs import Inputs, Run, recorded_run


class Asked(NamedTuple):
    """One reference run: of which composition, on the batch how many times over, with which head."""

    tree: Node | None
    times: int = 1
    head: str | None = None


@dataclass
class ReferenceRuns:
    """Runs of references by what was asked and given: several compositions are held to the same ones."""

    known: dict[tuple[Asked, tuple[str, ...]], Run] = field(default_factory=dict)

    def of(self, subject: Subject, asked: Asked, inputs: Inputs) -> Run:
        """The run that was asked for, done once; `inputs` are the batch of the job's rows."""
        key = (asked, tuple(inputs))
        if key not in self.known:
            given = inputs if asked.times == 1 else repeat_rows(inputs, asked.times, subject.job.rows)
            self.known[key] = _run(subject, asked.tree, given, head=asked.head)
        return self.known[key]


def static_half(subject: Subject, runs: ReferenceRuns | None = None) -> StaticFacts:
    """Trace references and composition, align them and classify the lanes.

    `subject.model` is on meta and active set-ups are switched; the composition is active at the end. `runs`
    are those of references that were made before, with equal inputs.
    """
    assert subject.inputs is not None
    with followed_modules():
        return _traced(subject, subject.inputs.make(subject.job.rows), runs or ReferenceRuns())


def run_references(subject: Subject, jobs: Sequence[Job], runs: ReferenceRuns) -> None:
    """Make the reference runs of these compositions of a subject's adapters, which has no heads."""
    assert subject.inputs is not None
    inputs = subject.inputs.make(subject.job.rows)
    with followed_modules():
        for job in jobs:
            for asked in _asked_of(job):
                first = runs.of(subject, asked, inputs)
                if asked.times == 1 and first.failure:
                    break


def _asked_of(job: Job) -> Iterator[Asked]:
    trees, _ = _reference_trees(job, None)
    yield from map(Asked, trees.values())
    if _widens(job):
        yield Asked(trees[0], job.lanes)


def _traced(subject: Subject, inputs: Inputs, runs: ReferenceRuns) -> StaticFacts:
    lanes, rows = subject.job.lanes, subject.job.rows
    trees, alike = _reference_trees(subject.job, subject.heads)
    references = {
        lane: runs.of(subject, Asked(tree, head=_head(subject.job, subject.heads, lane)), inputs)
        for lane, tree in trees.items()
    }
    first = references[0]
    widened = Run(outputs={})
    if _widens(subject.job) and not first.failure:
        head = _head(subject.job, subject.heads, 0)
        widened = runs.of(subject, Asked(trees[0], lanes, head), inputs)
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


def _reference_trees(job: Job, heads: Heads | None) -> tuple[dict[int, Node | None], dict[str, str]]:
    """Lane -> its reference; lanes whose adapters are configured alike share the first one's shapes.

    Also which adapter stands for which other one. Without Parallel there are no lanes: the model without
    active adapters tells the shapes.
    """
    lanes = job.lanes
    if lanes == 1:
        return {0: None}, {}
    found: dict[tuple[str, ...], tuple[int, Node]] = {}
    alike: dict[str, str] = {}
    for lane in range(lanes):
        tree = lane_reference(job.tree, lane)
        head = _head(job, heads, lane) or ""
        kinds = (
            _skeleton(tree),
            job.spec.heads.get(head, head),
            *(job.methods.get(n, n) for n in adapter_names(tree)),
        )
        _, first = found.setdefault(kinds, (lane, tree))
        alike.update(zip(adapter_names(tree), adapter_names(first), strict=True))
    return dict(found.values()), {name: other for name, other in alike.items() if name != other}


def _head(job: Job, heads: Heads | None, lane: int) -> str | None:
    """The head that serves a lane; None where all lanes have the same."""
    names = heads.names if heads is not None else ()
    return names[lane] if 1 < len(names) == job.lanes else None


def _skeleton(tree: Node) -> str:
    if isinstance(tree, str):
        return "."
    return f"{tree.kind}({','.join(map(_skeleton, tree.children))};{tree.numbers})"


def _widens(job: Job) -> bool:
    """Whether the first reference also runs with the batch N times over: the shapes of expanded tensors.

    A BatchSplit inside a lane is made for B rows; then (and without lanes) nothing is run, and the
    expected shapes follow from the first axis.
    """
    tree = lane_reference(job.tree, 0)
    fixed = not isinstance(tree, str) and any(b.kind in DIVIDED for b in walk(tree))
    return job.lanes > 1 and not fixed


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
    if subject.job.spec.mode == "train":
        subject.model.zero_grad()  # gradients are added to those that another run left, which are ops, too
    recorder = Recorder(subject.model, repairs=repairs, names=subject.names, package=package)
    try:
        subject.activate(tree, head)
    except Exception as error:
        recorder.stopped(error)
        failure = recorder.trace.failures[-1]
        return Run(failure=failure, trace=recorder.trace, recorder=recorder)
    given = {**inputs, **subject.library.call_arguments(tree)}
    return recorded_run(subject.model, given, subject.job.spec.mode, recorder, **subject.run_options())
