"""The small model on the bench: runs it under any set-up and remembers what it returned."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from ..build.inputs import input_maker, repeat_rows, take_rows, tasks_of
from ..build.subject import Subject, bare_model, build, failure_of, recomposed
from ..library.library import Library, TriesBlocks
from ..request.job import Job
from ..schema.composition import Node, as_block, lane_count, walk
from ..schema.references import Reference, references
from ..schema.spec import AuditSpec
from ..trace.outputs import parts_of
from ..trace.records import Failure
from ..trace.runs import Inputs, RunOptions, execute, on_device_of, recorded_run, training
from .alignment import Alignment, alignment, needs_lining_up
from .kept_state import KeptState
from .precision import SINGLE_TOLERANCE, SPREAD, TOLERANCE, KeepDouble, distance
from .shrink import HEAD_SIZES_TRIED
from .small_job import executable, small_job
from .value_check import NotApplicable
from .weights import moved, nudge, nudged, randomise_adapter, randomise_base
from .witness import Witness

MAX_TOKENS = 48
"""Longer sequences show nothing more in a probe and cost their square."""

BEAM_TRIALS = 4
"""Inputs that are tried, at most, until beams change places."""

Tensors = dict[str, torch.Tensor]
Parameter = tuple[str, Any]


@dataclass(frozen=True)
class Ran:
    """What one run gave: outputs and (in train mode) the adapters' gradients, or the failure."""

    outputs: Tensors = field(default_factory=dict)
    failure: Failure | None = None
    gradients: Tensors = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)
    """Parts of the output that cannot be read: what they are by name."""


class NotSetUp(Exception):
    """The adapters do not fit a small model."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"the adapters do not fit a small model ({failure})")
        self.failure = failure


class CannotTake(Exception):
    """A bench that waits cannot be used for this composition; the text says why."""


class Bench:
    """One small model with the spec's adapters, its inputs, and a memory of runs.

    One that `waits` has no composition yet: `take` gives it one, whose references it may have run by then.
    """

    def __init__(self, job: Job, *, waits: bool = False) -> None:
        self.job, self.large = executable(job if job.source.inputs is not None else _shortened(job))
        # Recomputation under gradient checkpointing escapes the mode that keeps float64.
        recomputes = self.spec.gradient_checkpointing and self.spec.mode == "train"
        self.single = recomputes or bool(self.large) or self.library.single_precision
        self.dtype = torch.float32 if self.single else torch.float64
        self.tolerance = SINGLE_TOLERANCE if self.single else TOLERANCE
        torch.set_default_dtype(self.dtype)
        self.notes = list[str]()
        self.seed = 0
        """Of the inputs."""
        self.raw: Tensors | None = None
        self.raw_failure: Failure | None = None
        self.idle: set[str] = set()
        """Adapters that were found to change nothing."""
        self.ignored: set[str] = set()
        """Arguments that the library tells in a call and nothing heeds."""
        self._questions: list[str] = []
        """What the check that runs cannot find out."""
        self.alignment = Alignment()
        self._state: KeptState | None = None
        self._as_in_use: frozenset[str] = frozenset()
        self._keeps_state = True
        self._noise: dict[Any, tuple[Ran, Ran]] = {}
        self._known: dict[Any, Ran] = {}
        self._own: dict[str, list[Parameter]] = {}
        self._moved: dict[tuple[str, int], Ran] = {}
        self.subject = self._small_subject(composed=not waits)
        self._random = torch.get_rng_state()
        self._settle()
        for seed, name in enumerate(self.names):
            randomise_adapter(self.own_parameters(name), seed, self.library.deviation(self.model, name))
        self._state = KeptState(self.model)
        self._line_up()
        if not waits:
            self._let_beams_move()
            self.references = self.references_of(self.job)

    def take(self, job: Job) -> None:
        """Go on with another composition of the same adapters, of the same sizes, once.

        Raises CannotTake where it does more to the model than to add to it, or gets other inputs.
        """
        before, inputs = self._identities(), self.inputs
        self.job = _shortened(job).at(self.job.source)
        torch.set_rng_state(self._random)
        self.subject = recomposed(self.subject, self.job, device="cpu", dtype=self.dtype)
        if self.subject.setup_failure is not None:
            raise CannotTake(f"the small model cannot be set up so ({self.subject.setup_failure})")
        self._own.clear()
        self._settle()
        if self.subject.heads is not None:
            raise CannotTake("its rows are served by heads")
        if self._identities() != before:
            raise CannotTake("its adapters have other parameters than they have alone")
        if not _same_inputs(self.fitted(None, self.inputs), self.fitted(None, inputs)):
            raise CannotTake("its inputs are other ones")
        self._state = KeptState(self.model)
        self._let_beams_move()
        self.references = self.references_of(self.job)

    def references_of(self, job: Job) -> tuple[Reference, ...]:
        """What each row of a composition is to be, on the inputs of this bench."""
        tasks = tasks_of(job.tree, self.inputs.get("task_ids"))
        return references(job.tree, job.rows, tasks, self.subject.heads)

    def _settle(self) -> None:
        """What follows from a model that has been set up."""
        assert self.subject.inputs is not None
        self.tree, self.names, self.rows = self.job.tree, self.job.names, self.job.rows
        self.model.to(self.dtype)
        without_chance(self.model)
        self.inputs: Inputs = self.subject.inputs.make(self.rows)

    def _identities(self) -> dict[str, list[tuple[str, int]]]:
        return {name: [(n, id(p)) for n, p in self.own_parameters(name)] for name in self.names}

    def _small_subject(self, *, composed: bool) -> Subject:
        """The small model with the adapters; a wider one where their sizes do not fit it."""
        asked = self.job
        for head_size in HEAD_SIZES_TRIED:
            self.job, self.notes = small_job(asked, head_size)
            self.notes += [self.large] if self.large else []
            subject = build(self.job, device="cpu", dtype=self.dtype, bare=self._bare, composed=composed)
            failure = subject.setup_failure
            if failure is None:
                return subject
        assert failure is not None
        raise NotSetUp(failure)

    def _line_up(self) -> None:
        """Find out where the outputs have their rows, by the model without adapters on B and 2*B of them."""
        self._find_recorders()
        heads = self.subject.heads
        if self.spec.mode not in ("forward", "train") or (heads is not None and len(heads.names) > 1):
            return  # the rows of several heads are where `schema.heads` says
        once = self.known(None)
        if once.failure is not None or not needs_lining_up(once.outputs, self.rows):
            return
        twice = self.run(None, repeat_rows(self.inputs, 2, self.rows))
        self.alignment = alignment(once.outputs, None if twice.failure else twice.outputs, self.rows)
        self._known.clear()
        if self.raw is not None:
            self.raw = self.alignment.rows_first(self.raw)

    def _find_recorders(self) -> None:
        """Modules that keep a record of what they see in training run with the one they have.

        BatchNorm and its like take each batch as a whole, with or without adapters, so that no lane could be
        held to its adapter alone. As in use, they treat each row by itself.
        """
        if self.spec.mode != "train" or self._as_in_use or self._state is None:
            return
        self.run(None)
        self._keep_as_in_use(self._state)
        self._known.clear()

    def _keep_as_in_use(self, state: KeptState) -> None:
        if state.moved:
            self._as_in_use = frozenset(state.moved)
            shown = ", ".join(sorted(state.moved)[:2])
            more = f" and {len(state.moved) - 2} more" if len(state.moved) > 2 else ""
            self.notes.append(
                f"probe: {shown}{more} keep a record of training batches; they ran in eval mode, row by row"
            )

    def _let_beams_move(self) -> None:
        """Take inputs on which beams change places before the last step: only then their caches must, too."""
        maker = self.subject.inputs
        if self.spec.mode != "beam" or maker is None or maker.given is not None:
            return
        for self.seed in range(BEAM_TRIALS):
            if self.seed:
                self._known.clear()
                self.inputs = maker.make(self.rows, self.seed)
            ran = self.known(self.tree)
            if ran.failure is not None or _beams_moved(ran.outputs, lane_count(self.tree)):
                break
        if self.seed and self.raw is not None:
            self.raw = self.run_raw(lambda _model: None).outputs

    def leave_open(self, why: str) -> None:
        """Say what a check cannot find out: the verdict is no better than `unknown` then."""
        if why not in self._questions:
            self._questions.append(why)

    def taken_questions(self) -> tuple[str, ...]:
        """What was left open since the last time, once."""
        taken, self._questions = tuple(self._questions), []
        return taken

    def stopped(self, tree: Node | None, ran: Ran) -> str:
        """Why nothing is compared with this run, in words."""
        assert ran.failure is not None
        who = "the model without adapters" if tree is None else f"{tree} alone"
        return f"{who} stops ({ran.failure.kind}: {ran.failure.message.splitlines()[0][:160]})"

    @property
    def spec(self) -> AuditSpec:
        """The request, with the sizes of the small model."""
        return self.job.spec

    @property
    def library(self) -> Library:
        """What put the adapters in."""
        return self.job.library

    def tries_blocks(self) -> TriesBlocks:
        """The library, asked for experiments. Raises NotApplicable where it does not do any."""
        if isinstance(self.library, TriesBlocks):
            return self.library
        raise NotApplicable

    @property
    def model(self) -> Any:
        """The model with adapters."""
        return self.subject.model

    def precision(self) -> contextlib.AbstractContextManager[Any]:
        """What runs go on in."""
        return contextlib.nullcontext() if self.single else KeepDouble()

    def run(
        self,
        tree: Node | None,
        inputs: Inputs | None = None,
        *,
        use_cache: bool = True,
        mode: str | None = None,
        head: str | None = None,
    ) -> Ran:
        """Run a composition (None: no adapter) on the given or all rows, in the asked mode or another one.

        With its own heads, or with one of them.
        """
        try:
            self.subject.activate(tree, head)
        except Exception as error:
            return Ran(failure=failure_of(error, self.library.package))
        given = self.fitted(tree, self.inputs if inputs is None else inputs)
        return self._execute(self.model, given, use_cache, mode=mode)

    @contextlib.contextmanager
    def states_move(self) -> Iterator[None]:
        """Runs in the block find the model as the one before left it; after the block it is as before.

        Where runs leave anything, the references have run at the beginning.
        """
        assert self._state is not None
        moves, self._keeps_state = self._state.moves, False
        try:
            with self._state.around_run():
                for tree in {r.tree for r in self.references} - {self.tree} if moves else ():
                    self.run(tree)
                yield
        finally:
            self._keeps_state = True

    def run_on(self, inputs: Inputs) -> Ran:
        """Run what is active on exactly these tensors, to see whether it writes into them."""
        return self._execute(self.model, self.fitted(self.tree, inputs), copies=False)

    def run_with(self, parameters: Sequence[Parameter]) -> Ran:
        """Run the composition with some parameters perturbed."""
        with moved(parameters):
            return self.run(self.tree)

    def with_moved(self, adapter: str, parameters: Sequence[Parameter] | None = None) -> Ran:
        """`run_with` an adapter's parameters, all or some of them; the same ones are run with once."""
        chosen = self.own_parameters(adapter) if parameters is None else parameters
        key = (adapter, len(chosen))
        if key not in self._moved:
            self._moved[key] = self.run_with(chosen)
        return self._moved[key]

    def known(self, tree: Node | None, rows: tuple[int, ...] | None = None, head: str | None = None) -> Ran:
        """`run` on all or some of the rows, done once for each choice."""
        rows = None if rows == tuple(range(self.rows)) else rows
        found = self._known.get((tree, rows, head))
        if found is None:
            found = self._known[(tree, rows, head)] = self.run(tree, self.inputs_of(rows), head=head)
        return found

    def composed(self) -> Ran:
        """The composition's run. Raises NotApplicable when it stopped: then nothing can be compared."""
        ran = self.known(self.tree)
        if ran.failure is not None:
            raise NotApplicable
        return ran

    def inputs_of(self, rows: tuple[int, ...] | None) -> Inputs:
        """The inputs of some rows (None: all)."""
        return self.inputs if rows is None else take_rows(self.inputs, torch.tensor(rows), self.rows)

    def reference(self, reference: Reference, rows: tuple[int, ...] | None = None) -> Ran:
        """What a reference gave on the whole batch (or on some rows); its rows are those that count.

        Not on its rows alone: a batch with other padding takes other paths through mask code, and what
        comes of that is no fault of the composition (`checks.part_padding` looks at it).
        """
        return self.known(reference.tree, rows, reference.head)

    def is_composition(self, reference: Reference) -> bool:
        """Whether it is nothing else than the composition itself."""
        return reference.part is None and as_block(reference.tree) == self.tree

    def noise_of(self, output: str) -> float:
        """Absolute differences up to this in an output of the composition are round-off (`precision`)."""
        return self._noise_in(output, lambda ran: ran.outputs)

    def noise_of_gradient(self, parameter: str) -> float:
        """The same for a gradient."""
        return self._noise_in(parameter, lambda ran: ran.gradients)

    def _noise_in(self, name: str, part: Callable[[Ran], Tensors]) -> float:
        """The most that any run with all weights and inputs nudged by one unit moved, `SPREAD` times."""
        largest = 0.0
        for tree in (self.tree, None):
            exact, other = map(part, self._nudged(tree))
            if name in exact and name in other and exact[name].is_floating_point():
                off = distance(other[name], exact[name])
                largest = max(largest, off if math.isfinite(off) else 0.0)
        return SPREAD * largest

    def _nudged(self, tree: Node | None) -> tuple[Ran, Ran]:
        """A run and one with all nudged, both now: a check may have switched the model's attention."""
        if tree not in self._noise:
            exact = self.run(tree)
            with nudged(self.model):
                self._noise[tree] = exact, self.run(tree, self._nudged_inputs())
        return self._noise[tree]

    def _nudged_inputs(self) -> Inputs:
        generator = torch.Generator().manual_seed(59)
        return {
            k: nudge(v, generator) if isinstance(v, torch.Tensor) and v.is_floating_point() else v
            for k, v in self.inputs.items()
        }

    def reference_failures(self) -> Mapping[int, Failure]:
        """Lane -> failure, of references that were run and failed."""
        ran = {r.lane: self.reference(r) for r in self.references if not self.is_composition(r)}
        return {lane: run.failure for lane, run in ran.items() if run.failure is not None}

    def witnessed(self, tree: Node | None, head: str | None = None, inputs: Inputs | None = None) -> Witness:
        """A recorded run on all rows, or other inputs, with the values of every op."""
        self.subject.activate(tree, head)
        return self._witness(self.model, self.fitted(tree, self.inputs if inputs is None else inputs))

    def witnessed_nudged(self, tree: Node | None) -> Witness:
        """The same with all weights and inputs moved by one unit of round-off."""
        with nudged(self.model):
            return self.witnessed(tree, inputs=self._nudged_inputs())

    def raw_witnessed(self) -> Witness:
        """A recorded run of the model before `adapters.init`, on the same weights."""
        model = self.raw_model()
        return self._witness(model, self._raw_inputs(model))

    def run_raw(self, change: Callable[[Any], None]) -> Ran:
        """A run of the model before `adapters.init`, after some change to it."""
        model = self.raw_model()
        change(model)
        return self._execute(model, self._raw_inputs(model))

    def raw_model(self) -> Any:
        """The model before it has adapters, on the same weights."""
        model = bare_model(self.job).eval().to(self.dtype)
        without_chance(model)
        self._weigh(model)
        return model

    def run_model(self, model: Any, tree: Node | None, inputs: Inputs | None = None) -> Ran:
        """Call another model than the bench's, told to act as a composition."""
        return self._execute(model, self.fitted(tree, self.inputs if inputs is None else inputs))

    def own_parameters(self, adapter: str) -> list[Parameter]:
        """Parameters of one adapter; they are the same ones as long as the bench stands."""
        found = self._own.get(adapter)
        if found is None:
            found = self._own[adapter] = list(self.library.parameters(self.model, adapter))
        return found

    def fitted(self, tree: Node | None, inputs: Inputs) -> Inputs:
        """With what the library is told in a call; task ids go to compositions with a MultiTask only."""
        tasked = (
            tree is not None and not isinstance(tree, str) and any(b.kind == "multitask" for b in walk(tree))
        )
        kept = inputs if tasked else {k: v for k, v in inputs.items() if k != "task_ids"}
        return {**kept, **self.library.call_arguments(tree)}

    def _witness(self, model: Any, inputs: Inputs) -> Witness:
        witness = Witness(model)
        with self.precision(), self._state_kept(model):
            recorded_run(model, inputs, self.spec.mode, witness, **self._run_options(model))
        return witness

    def gradients_of(self, reference: Reference) -> Ran:
        """A reference's run that learns from its own rows only (train mode)."""
        if reference.rows == tuple(range(self.rows)):
            return self.reference(reference)
        self.subject.activate(reference.tree, reference.head)
        return self._execute(self.model, self.fitted(reference.tree, self.inputs), learn_from=reference.rows)

    def loss_gradients(self, tree: Node, rows: tuple[int, ...] | None, head: str | None = None) -> Ran:
        """The adapters' gradients of the model's own loss, on all or some rows (train mode)."""
        self.subject.activate(tree, head)
        given = on_device_of(self.model, self.fitted(tree, self.inputs_of(rows)))
        try:
            with (
                self.precision(),
                self._state_kept(self.model),
                training(self.model, self._as_in_use),
                torch.enable_grad(),
            ):
                self.model(**given)["loss"].backward()
        except Exception as error:
            return Ran(failure=failure_of(error, self.library.package))
        return Ran(gradients=self._taken_gradients())

    def run_without_checkpointing(self) -> Ran:
        """The composition, no layer computed twice (train mode)."""
        self.model.gradient_checkpointing_disable()
        try:
            return self.run(self.tree)
        finally:
            self.model.gradient_checkpointing_enable()

    def refuses(self, error: Exception) -> bool:
        """Whether an exception is a refusal of the library's on purpose."""
        return failure_of(error, self.library.package).deliberate

    def parameters_with_gradient(self) -> set[int]:
        """The ids of adapters' parameters that the answers depend on, by one forward and backward."""
        parameters = [p for name in self.names for _, p in self.own_parameters(name)]
        wanted = [p.requires_grad for p in parameters]
        for parameter in parameters:
            parameter.requires_grad_(True)
        try:
            self.subject.activate(self.tree)
            with self.precision(), self._state_kept(self.model):
                given = on_device_of(self.model, self.fitted(self.tree, self.inputs))
                execute(self.model, given, "train", **self._run_options(self.model))
            return {id(p) for p in parameters if p.grad is not None and bool((_dense(p.grad) != 0).any())}
        finally:
            for parameter, before in zip(parameters, wanted, strict=True):
                parameter.grad = None
                parameter.requires_grad_(before)

    def _execute(
        self,
        model: Any,
        inputs: Inputs,
        use_cache: bool = True,
        learn_from: tuple[int, ...] | None = None,
        copies: bool = True,
        mode: str | None = None,
    ) -> Ran:
        given = on_device_of(model, inputs) if copies else inputs
        options = self._run_options(model)
        options["use_cache"] = options["use_cache"] and use_cache
        try:
            with self.precision(), self._state_kept(model):
                output = execute(
                    model,
                    given,
                    mode or self.spec.mode,
                    learn_from=lambda output: _rows_of(self._read(output), learn_from),
                    **options,
                )
        except Exception as error:
            return Ran(failure=failure_of(error, self.library.package))
        outputs = {k: v.detach() for k, v in self._read(output).items()}
        return Ran(outputs, gradients=self._taken_gradients(), unread=parts_of(output).unread)

    def _read(self, output: Any) -> Tensors:
        return self.alignment.rows_first(parts_of(output).tensors)

    def _state_kept(self, model: Any) -> contextlib.AbstractContextManager[Any]:
        """The model is after the block as before; outside of `states_move`."""
        if not self._keeps_state:
            return contextlib.nullcontext()
        state = self._state
        if state is None or state.model is not model:
            state = KeptState(model, hooks=False)  # what a history leaves is its matter
        return state.around_run()

    def _run_options(self, model: Any) -> RunOptions:
        """As the subject's; the model before it has adapters learns nothing."""
        options: RunOptions
        if hasattr(self, "subject") and model is self.model:
            options = self.subject.run_options()
        else:
            options = RunOptions(
                use_cache=self.library.generates_with_cache, learns=False, as_in_use=frozenset()
            )
        options["as_in_use"] = self._as_in_use
        return options

    def _taken_gradients(self) -> Tensors:
        if self.spec.mode != "train" or not hasattr(self, "subject"):
            return {}
        return dict(self._drain_gradients())

    def _drain_gradients(self) -> Iterator[tuple[str, torch.Tensor]]:
        for adapter in self.names:
            for name, parameter in self.own_parameters(adapter):
                if parameter.grad is not None:
                    yield name, _dense(parameter.grad)
                parameter.grad = None

    def _bare(self, model: Any) -> None:
        """Weights and outputs of the model before it gets adapters."""
        self._as_in_use = frozenset()
        without_chance(model)
        self._weigh(model)
        if not self.library.owns(model):
            inputs = self._raw_inputs(model)
            if self.spec.mode == "train":
                self._state = KeptState(model)
                self._execute(model, inputs)
                self._keep_as_in_use(self._state)
            ran = self._execute(model, inputs)
            self.raw, self.raw_failure = (None if ran.failure else ran.outputs), ran.failure

    def _weigh(self, model: Any) -> None:
        """A function's model keeps its own weights."""
        if self.job.source.factory is None:
            randomise_base(model)

    def _raw_inputs(self, model: Any) -> Inputs:
        maker = input_maker(model, self.job, self.dtype)
        return self.fitted(None, maker.make(self.job.rows, self.seed))


def _rows_of(outputs: Tensors, rows: tuple[int, ...] | None) -> Tensors:
    """These rows of all outputs that have any (None: all)."""
    if rows is None:
        return outputs
    return {name: value[list(rows)] if value.dim() else value for name, value in outputs.items()}


def _same_inputs(some: Inputs, others: Inputs) -> bool:
    return some.keys() == others.keys() and all(_same(some[name], others[name]) for name in some)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    return bool(one == other)


def _dense(gradient: torch.Tensor) -> torch.Tensor:
    return gradient.to_dense() if gradient.is_sparse else gradient


def _beams_moved(outputs: Tensors, lanes: int) -> bool:
    """Whether in each lane some sequence was handed on from one beam to another before its last token."""
    paths = outputs.get("beam_indices")
    if paths is None or paths.dim() < 2 or paths.shape[0] % lanes:
        return True  # this release does not tell
    steps = paths[:, :-1]
    moved_on = ((steps[:, 1:] != steps[:, :-1]) & (steps[:, 1:] >= 0)).any(1)
    return bool(moved_on.view(lanes, -1).any(1).all())


def without_chance(model: Any) -> None:
    """No dropout, also where the configuration does not say so: two runs must be comparable."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        for name, value in list(vars(module).items()):
            if "drop" in name and isinstance(value, float):
                setattr(module, name, 0.0)  # attention code often keeps the number only


def _shortened(job: Job) -> Job:
    divided = any(b.kind == "split" for b in walk(job.tree))
    return job if divided or job.tokens <= MAX_TOKENS else job.changed(seq_len=MAX_TOKENS - 1)
