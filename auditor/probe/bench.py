"""The small model on the bench: runs it under any set-up and remembers what it returned."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from ..build import bare_model, build, failure_of
from ..compose import Node, adapter_names, walk
from ..inputs import Inputs, input_maker, take_rows
from ..models import ModelSource
from ..references import Reference, references
from ..spec import AuditSpec
from ..trace.recorder import Recorder
from ..trace.records import Failure
from ..trace.runs import execute, named_tensors, on_device_of, recorded_run
from .precision import KeepDouble
from .shrink import shrink
from .weights import randomise_adapter, randomise_base

MAX_TOKENS = 48
"""Longer sequences show nothing more in a probe and cost their square."""

Outputs = dict[str, torch.Tensor]


class Bench:
    """One small model with the spec's adapters, its inputs, and a memory of runs."""

    def __init__(self, spec: AuditSpec, source: ModelSource) -> None:
        self.spec = _shortened(spec)
        self.source, self.notes = _small_source(source)
        self.raw: Outputs | None = None
        self._known: dict[Any, tuple[Outputs, Failure | None]] = {}
        self.subject = build(self.spec, self.source, device="cpu", dtype=torch.float64, bare=self._bare)
        self.tree = self.subject.tree
        assert self.subject.inputs is not None, "the static half has set the composition up before"
        self.rows = self.spec.rows()
        self.inputs: Inputs = self.subject.inputs.make(self.rows)
        self.names = adapter_names(self.tree)
        for seed, name in enumerate(self.names):
            randomise_adapter(self.own_parameters(name), seed)
        tasks = self.inputs.get("task_ids")
        self.references = references(self.tree, self.rows, tasks.tolist() if tasks is not None else None)

    @property
    def model(self) -> Any:
        """The model with adapters."""
        return self.subject.model

    def run(self, tree: Node | None, inputs: Inputs | None = None) -> tuple[Outputs, Failure | None]:
        """Outputs of a composition (None: no adapter) on the given or all rows, or its failure."""
        try:
            self.subject.activate(tree)
        except Exception as error:
            return {}, failure_of(error, self.subject.backend.package)
        return self._execute(self.model, self.inputs if inputs is None else inputs)

    def run_in_place(self, inputs: Inputs) -> None:
        """Run the composition on exactly these tensors, to see whether it writes into them."""
        self.subject.activate(self.tree)
        with KeepDouble():
            execute(self.model, inputs, self.spec.mode)

    def known(self, tree: Node | None, rows: tuple[int, ...] | None = None) -> tuple[Outputs, Failure | None]:
        """`run` on all or some of the rows, done once for each choice."""
        found = self._known.get((tree, rows))
        if found is None:
            found = self._known[(tree, rows)] = self.run(tree, self.inputs_of(rows))
        return found

    def inputs_of(self, rows: tuple[int, ...] | None) -> Inputs:
        """The inputs of some rows (None: all)."""
        if rows is None or rows == tuple(range(self.rows)):
            return self.inputs
        return take_rows(self.inputs, torch.tensor(rows))

    def reference(self, reference: Reference) -> tuple[Outputs, Failure | None]:
        """What a reference returned on its rows."""
        return self.known(reference.tree, reference.rows)

    def reference_failures(self) -> Mapping[int, Failure]:
        """Lane -> failure, of references that were run and failed."""
        runs = {(r.tree, r.rows): r.lane for r in self.references}
        return {
            lane: found[1] for key, lane in runs.items() if (found := self._known.get(key)) and found[1] is not None
        }

    def recorded(self, tree: Node | None, rows: tuple[int, ...] | None = None) -> Recorder:
        """A recorded run with the values of every op."""
        self.subject.activate(tree)
        return self._record(self.model, self.inputs_of(rows))

    def raw_recorded(self) -> Recorder:
        """A recorded run of the model before `adapters.init`, on the same weights."""
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        try:
            model = bare_model(self.spec, self.source).double()
        finally:
            torch.set_default_dtype(before)
        self._weigh(model)
        return self._record(model, self._raw_inputs(model))

    def own_parameters(self, adapter: str) -> list[tuple[str, Any]]:
        """Parameters of one adapter."""
        return list(self.subject.backend.parameters(self.model, adapter))

    def _record(self, model: Any, inputs: Inputs) -> Recorder:
        recorder = Recorder(model, values=True)
        with KeepDouble():
            recorded_run(model, inputs, self.spec.mode, recorder)
        return recorder

    def _execute(self, model: Any, inputs: Inputs) -> tuple[Outputs, Failure | None]:
        try:
            with KeepDouble():
                output = execute(model, on_device_of(model, inputs), self.spec.mode)
        except Exception as error:
            return {}, failure_of(error, "adapters")
        return {k: v.detach() for k, v in named_tensors(output)}, None

    def _bare(self, model: Any) -> None:
        """Weights and outputs of the model before it gets adapters."""
        self._weigh(model)
        if not hasattr(model, "adapters_config"):
            outputs, failure = self._execute(model, self._raw_inputs(model))
            self.raw = None if failure else outputs

    def _weigh(self, model: Any) -> None:
        """A function's model keeps its own weights."""
        if self.source.factory is None:
            randomise_base(model)

    def _raw_inputs(self, model: Any) -> Inputs:
        made = input_maker(model, self.spec, self.spec.composition(), torch.float64).make(self.spec.rows())
        made.pop("task_ids", None)
        return made


def _small_source(source: ModelSource) -> tuple[ModelSource, list[str]]:
    """The source with a shrunk configuration; models from functions stay as they are."""
    if source.config is None:
        return source, []
    config, notes = shrink(copy.deepcopy(dict(source.config)))
    return replace(source, config=config), [f"probe: {n}" for n in notes]


def _shortened(spec: AuditSpec) -> AuditSpec:
    divided = any(b.kind == "split" for b in walk(spec.composition()))
    if divided or spec.tokens() <= MAX_TOKENS:
        return spec
    return spec.model_copy(update={"seq_len": MAX_TOKENS - 1})
