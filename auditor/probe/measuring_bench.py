"""What checks ask of a bench beyond runs: how far two of them are apart, and where that begins."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch

from ..build.inputs import take_rows
from ..facts.observations import Departure
from ..knowledge.library_names import TRANSFORMERS
from ..library.library import HasHistories
from ..schema.composition import Block, Node, lane_count
from ..schema.history import Step
from ..schema.references import Reference
from ..source.source_files import relative_file
from ..trace.records import Site
from ..trace.runs import Inputs
from .bench import Bench, Parameter, Ran, Tensors, without_chance
from .cause.dropped_argument import dropping_line
from .cause.first_departure import first_departure, relation_departure
from .cause.init_departure import InitCause, init_cause
from .cause.row_mixing import first_mixing
from .cause.writing_line import writing_line
from .life import Life, living, site_of
from .other_attention import RunsOtherwise, other_attention, switches
from .output_gaps import answers, lanes_gap, masked_deviation, noisy_deviation, plain_gap, worst_output
from .output_sets import Rows, rows_of
from .precision import SMALLEST_EFFECT, SURELY_REAL, deviation
from .split_watch import WrongPart, wrong_parts
from .value_check import NotApplicable, Unanswered

Gap = tuple[str, float]
"""The output (or parameter) that deviates most, and by how much; `""` and zero where none does."""


class MeasuringBench(Bench):
    """A bench with the comparisons that checks are made of. Deviations are relative to the largest value."""

    smallest_effect = SMALLEST_EFFECT

    # -- outputs -------------------------------------------------------------------------------------

    def row_gap(self, ran: Ran, expected: Ran, reference: Reference) -> Gap:
        """The answers in a reference's rows of a composition's run, against the reference's own run."""
        mine = {name: rows.taken() for name, rows in self._in_rows(ran, reference).items()}
        return worst_output(self, mine, expected.outputs, reference.rows)

    def gap(self, ran: Ran, expected: Ran) -> Gap:
        """The answers of two runs without lanes, row by row."""
        return plain_gap(self, ran.outputs, expected.outputs)

    def set_rows(self, ran: Ran, reference: Reference, output: str) -> tuple[int, int]:
        """Rows that an output (by its name in a reference's run) has, and those that it should have."""
        found = self._rows_of(ran, reference).get(output)
        if found is None:
            return 0, 0
        return int(found.value.shape[0]) if found.value.dim() else 0, found.size

    def lanes_gap(self, whole: Ran, other: Ran, lanes: int = 1) -> Gap:
        """The answers of two runs with this many lanes, lane by lane; those of the first one count."""
        return lanes_gap(self, whole.outputs, other.outputs, lanes, self._all_rows())

    def any_gap(self, ran: Ran, expected: Ran) -> Gap:
        """All outputs of two runs of one composition, at all positions."""
        found = {
            name: noisy_deviation(self, name, ran.outputs[name], value)
            if name in ran.outputs
            else float("inf")
            for name, value in expected.outputs.items()
        }
        worst = max(found, key=lambda name: found[name], default="")
        return worst, found.get(worst, 0.0)

    def gap_on(self, inputs: Inputs, rows: tuple[int, ...]) -> Gap:
        """These rows of the composition, against a run on other inputs that have these rows only.

        Raises NotApplicable where the model without adapters differs or stops, too, and Unanswered where only
        the composition's other run stops (which proves nothing about this one).
        """
        here, there = self.composed(), self.run(self.tree, inputs)
        if there.failure is not None:
            if self.run(None, inputs).failure is not None:
                raise NotApplicable
            raise Unanswered(f"on other inputs, {self.stopped(self.tree, there)}")
        found = lanes_gap(self, here.outputs, there.outputs, lane_count(self.tree), rows)
        if found[1] > self.tolerance:
            base, other = self.known(None), self.run(None, inputs)
            for ran in (base, other):
                if ran.failure is not None:
                    raise Unanswered(self.stopped(None, ran))
            if lanes_gap(self, base.outputs, other.outputs, 1, rows)[1] > self.tolerance:
                raise NotApplicable
        return found

    def part_gaps(self, whole: Ran, alone: Ran, part: Reference) -> Iterator[Gap]:
        """Every answer of a part's rows in a run on all rows, against the run on these rows alone."""
        rows = list(part.rows)
        mine = {n: v[rows] for n, v in whole.outputs.items() if v.dim() and v.shape[0] == self.rows}
        for name, value in answers(alone.outputs).items():
            if name in mine and mine[name].shape == value.shape and value.shape[0] == len(part.rows):
                yield name, masked_deviation(self, name, mine[name], value, part.rows)

    def steps_gap(self, one: Ran, other: Ran) -> float:
        """Largest deviation of sequences and scores of every step; infinite where one run stops."""
        if one.failure is not None or other.failure is not None:
            return 0.0 if one.failure is not None and other.failure is not None else float("inf")
        names = [n for n in one.outputs if n.startswith(("sequences", "scores", "logits"))]
        missing = float("inf")
        return max(
            (
                noisy_deviation(self, n, one.outputs[n], other.outputs[n]) if n in other.outputs else missing
                for n in names
            ),
            default=0.0,
        )

    def decodes_as_forwards(self, ran: Ran) -> bool:
        """Whether the scores of greedy decoding are those of one forward over all that was decoded.

        False where that cannot be told: with beams, lanes or padding.
        """
        sequences = ran.outputs.get("sequences")
        steps = [v for n, v in ran.outputs.items() if n.startswith("logits.")]
        padded = self.spec.mask not in ("none", "full")
        if (
            self.spec.mode != "generate"
            or padded
            or sequences is None
            or not steps
            or lane_count(self.tree) > 1
        ):
            return False
        whole = self.run(self.tree, self._read_again(sequences[:, :-1]), mode="forward")
        made, expected = whole.outputs.get("logits"), torch.stack(steps, 1)
        if made is None or made.shape[1] < len(steps):
            return False
        return deviation(made[:, -len(steps) :], expected) <= self.tolerance

    def _read_again(self, sequences: torch.Tensor) -> Inputs:
        """The inputs with what was decoded as the tokens of the model, or of its decoder."""
        decodes = self.subject.inputs is not None and self.subject.inputs.decodes
        mask = {"attention_mask": torch.ones_like(sequences)} if "attention_mask" in self.inputs else {}
        return {
            **self.inputs,
            **({"decoder_input_ids": sequences} if decodes else {"input_ids": sequences, **mask}),
        }

    # -- the model's own doing -----------------------------------------------------------------------

    def drifts_by_itself(self) -> bool:
        """Whether the model without adapters gives something else when it is called again and again."""
        first = self.known(None)
        with self.states_move():
            self.run(None)
            again = self.run(None)
        if first.failure is not None or again.failure is not None:
            return False
        return self.any_gap(again, first)[1] > self.tolerance

    def mixing(self) -> float:
        """How far the model without adapters lets other rows of the batch move a row's answers.

        The batch is run once more with copies of its first row behind it.
        """
        return self._mixing[1]

    def mixes_at(self) -> Site | None:
        """The line of the model without adapters where a row first depends on other rows."""
        if self.mixing() <= self.tolerance:
            return None
        return first_mixing(self, self._more_company())

    @cached_property
    def _mixing(self) -> Gap:
        alone, among = self.known(None), self.run(None, self._more_company())
        if alone.failure is not None or among.failure is not None:
            return "", 0.0
        return plain_gap(self, among.outputs, alone.outputs)

    def _more_company(self) -> Inputs:
        return take_rows(self.inputs, torch.tensor([*self._all_rows(), *[0] * self.rows]), self.rows)

    # -- effects -------------------------------------------------------------------------------------

    def is_moved(self, ran: Ran, other: Ran, reference: Reference) -> bool:
        """Whether any answer in the reference's rows differs between two runs of the composition."""
        before = self._in_rows(ran, reference)
        if not before:
            return True  # the lanes are not there: that is what is wrong
        return any(
            self._change(before[name], other, reference, name) > SMALLEST_EFFECT
            for name in answers({n: rows.value for n, rows in before.items()})
        )

    def is_finite(self, ran: Ran, reference: Reference) -> bool:
        """Whether any answer in the reference's rows has a finite number."""
        rows = self._in_rows(ran, reference)
        every = answers({name: row.value for name, row in rows.items()})
        return any(bool(rows[name].taken().isfinite().any()) for name in every)

    def first_change(self, ran: Ran, other: Ran, reference: Reference) -> Gap:
        """The first answer with a row for each lane and row that differs in the reference's rows."""
        here, there = self._in_rows(ran, reference), self._rows_of(other, reference)
        for name in answers({n: rows.value for n, rows in here.items()}):
            mine, theirs = here[name], there.get(name)
            alike = theirs is not None and theirs.value.shape == mine.value.shape
            if (
                name.startswith(TRANSFORMERS.pairwise_outputs)
                or not alike
                or mine.value.shape[0] != mine.size  # scores of beams, say, have other rows
            ):
                continue
            amount = self._change(mine, other, reference, name)
            if amount > SMALLEST_EFFECT:
                return name, amount
        return "", 0.0

    def _rows_of(self, ran: Ran, reference: Reference) -> dict[str, Rows]:
        return rows_of(ran.outputs, reference, self.rows, lane_count(self.tree))

    def _in_rows(self, ran: Ran, reference: Reference) -> dict[str, Rows]:
        return {name: rows for name, rows in self._rows_of(ran, reference).items() if rows.are_there}

    def _change(self, mine: Rows, other: Ran, reference: Reference, name: str) -> float:
        """How far an output moved in the reference's rows, where it is `mine` before."""
        theirs = self._rows_of(other, reference).get(name)
        if theirs is None or theirs.value.shape != mine.value.shape:
            return float("inf")
        return masked_deviation(self, name, theirs.taken(), mine.taken(), reference.rows)

    def modules_of(self, adapter: str) -> dict[str, list[Parameter]]:
        """An adapter's parameters by the path of the layer that keeps them.

        What a pool keeps for a layer is found by its path in the pool.
        """
        modules: dict[str, list[Parameter]] = {}
        for path, parameter in self.own_parameters(adapter):
            layer, found, rest = path.partition(f".{adapter}.")
            pool = f"{layer}.{adapter}"
            if found and isinstance(self.model.get_submodule(pool), torch.nn.ModuleDict):
                layer = f"{pool}.{rest.partition('.')[0]}"
            modules.setdefault(layer, []).append((path, parameter))
        return modules

    @contextlib.contextmanager
    def other_strength(self, adapter: str) -> Iterator[tuple[str, Departure]]:
        """A copy of an adapter with twice its `alpha`, and the forward that should heed it.

        Raises LookupError where the adapter's method has none.
        """
        with self.tries_blocks().other_strength(self.model, adapter) as (copy, module):
            self.model.to(self.dtype)
            code = type(module).forward.__code__
            site = Site(relative_file(code.co_filename) or "", code.co_firstlineno, "forward")
            yield copy, Departure(0, "", site, "forward", 0.0)

    # -- losses and gradients ------------------------------------------------------------------------

    def loss_of(self, ran: Ran, reference: Reference) -> float:
        """The composition's loss of the set of outputs that a reference is in. NotApplicable without one."""
        found = self._rows_of(ran, reference).get("loss")
        if found is None:
            raise NotApplicable
        return float(found.value)

    def share(self, reference: Reference) -> float:
        """Of all rows that one loss is the mean of, those of a reference."""
        return len(reference.rows) / reference.part_size

    def rows_with_labels(self, reference: Reference) -> tuple[int, ...] | None:
        """The rows to run a reference on for its loss; None for all. Raises NotApplicable under padding."""
        if len(reference.rows) == self.rows:
            return None
        if self.spec.mask not in ("none", "full"):
            raise NotApplicable  # alone, the rows would have other padding, which `part_padding` looks at
        return reference.rows

    def gradient_gap(self, ran: Ran, parts: Sequence[Ran], shares: Sequence[float] = ()) -> Gap:
        """The parameter whose gradient is furthest off the (weighted) sum of the parts'.

        Relative to the largest gradient of all.
        """
        expected: Tensors = {}
        for part, share in zip(parts, shares or [1.0] * len(parts), strict=True):
            for name, gradient in part.gradients.items():
                expected[name] = expected.get(name, torch.zeros_like(gradient)) + gradient * share
        scale = max((float(g.abs().max()) for g in expected.values()), default=0.0) or 1.0
        worst, amount = "", 0.0
        for name in sorted(set(ran.gradients) | set(expected)):
            own = ran.gradients.get(name, torch.zeros(()))
            off = float((own - expected.get(name, torch.zeros(()))).abs().max())
            if not off / scale <= max(amount, SMALLEST_EFFECT) and not off <= self._gradient_noise(name, off):
                worst, amount = name, off / scale
        return worst, amount

    def _gradient_noise(self, parameter: str, off: float) -> float:
        return self.noise_of_gradient(parameter) if off < SURELY_REAL else 0.0

    # -- inputs --------------------------------------------------------------------------------------

    def copied_inputs(self) -> Inputs:
        """The inputs, in tensors of their own."""
        return {k: v.clone() if isinstance(v, torch.Tensor) else v for k, v in self.inputs.items()}

    def changed_inputs(self, given: Mapping[str, Any]) -> list[str]:
        """Names of the copies that are not what the inputs are."""
        tensors = {k: v for k, v in self.inputs.items() if isinstance(v, torch.Tensor)}
        return [name for name, value in tensors.items() if deviation(given[name], value) > 0]

    # -- what is told in a call ----------------------------------------------------------------------

    def told_in_the_call(self) -> tuple[str, ...]:
        """Arguments by which the library is told the composition."""
        return tuple(self.library.call_arguments(self.tree))

    def gap_if_ignored(self, argument: str) -> float:
        """How far the worst row is from its reference, if the argument changes nothing; else 0."""
        ran, without = self.composed(), self._called_without(argument)
        if without.failure is not None or any(
            not torch.equal(value, without.outputs.get(name, value.new_zeros(0)))
            for name, value in ran.outputs.items()
        ):
            return 0.0
        references = [(r, self.reference(r)) for r in self.references]
        return max((self.row_gap(ran, e, r)[1] for r, e in references if e.failure is None), default=0.0)

    def _called_without(self, argument: str) -> Ran:
        self.subject.activate(self.tree)
        given = {k: v for k, v in self.fitted(self.tree, self.inputs).items() if k != argument}
        return self._execute(self.model, given)

    def takes_unknown_name(self, argument: str, name: str) -> bool:
        """Whether the call runs though the argument's first item is a name that nothing has."""
        self.subject.activate(self.tree)
        given = self.fitted(self.tree, self.inputs)
        given[argument] = [name, *given[argument][1:]]
        return self._execute(self.model, given).failure is None

    def dropping_line(self, argument: str) -> Departure | None:
        """Where a call lets go of an argument."""
        self.subject.activate(self.tree)
        given = self.fitted(self.tree, self.inputs)
        site = dropping_line(lambda: self._execute(self.model, given, copies=False), given[argument])
        return None if site is None else Departure(0, "", site, "call", 0.0)

    # -- histories -----------------------------------------------------------------------------------

    def expected_rows(self, tree: Node | None) -> Ran | None:
        """What a composition gives; None where it stops."""
        ran = self.known(tree)
        return ran if ran.failure is None else None

    def living(self) -> contextlib.AbstractContextManager[Life]:
        """A copy of the model that goes through the history."""
        return living(self)

    # -- other ways ----------------------------------------------------------------------------------

    def bare(self) -> Ran:
        """What the model gave before `adapters.init`."""
        return Ran(self.raw or {}, self.raw_failure)

    def other_attention(self, weights: str) -> contextlib.AbstractContextManager[tuple[str, RunsOtherwise]]:
        """Another attention implementation, and runs with it. Raises NotApplicable where there is none.

        `weights` is the argument of a forward that asks for attention weights.
        """
        return other_attention(self, weights)

    def bare_with_this_attention(self) -> Ran | None:
        """The model before `adapters.init`, as attention is computed now; None where that is fixed."""
        if self.raw is None or not switches(self.model):
            return None
        now = self.model.config._attn_implementation
        return self.run_raw(lambda model: model.set_attn_implementation(now))

    @contextlib.contextmanager
    def fused_copies(self, adapter: str, number: int) -> Iterator[Block]:
        """A Fuse of this many copies of an adapter, whose fusion hands values on."""
        with self.tries_blocks().fused_copies(self.model, adapter, number) as fused:
            self.model.to(self.dtype)
            without_chance(self.model)
            yield fused

    def wrong_parts(self, tree: Node, split: Block) -> list[WrongPart]:
        """Parts of a Split in a tree that are not their adapter's in some layer: the first that runs."""
        return wrong_parts(self, tree, split)

    # -- causes --------------------------------------------------------------------------------------

    def first_departure(self, reference: Reference) -> Departure | None:
        """The first op of the composition whose value, on a reference's rows, is not its twin's."""
        return first_departure(self, reference)

    def relation_departure(self, tree: Node, alone: Node) -> Departure | None:
        """The first op of `tree`, without lanes, whose value is not what `alone` has there."""
        return relation_departure(self, tree, alone)

    def relation_place(self, block: Block, tree: Node, alone: Node) -> Departure | None:
        """`relation_departure`; of a block that is made an adapter, the function that makes it."""
        departure = self.relation_departure(tree, alone)
        if departure is None or not isinstance(self.library, HasHistories):
            return departure
        site = site_of(self.library.code_of(self.model, Step(block.kind), departure.module))
        return departure if site is None else replace(departure, site=site, key=None, op=block.kind)

    def init_cause(self) -> InitCause | None:
        """The first op that departs from the bare model, and why; None where all matched ones agree."""
        return init_cause(self)

    def preparing_function(self) -> Departure | None:
        """Of a model that wraps another one: its function that prepares each step of decoding."""
        if self.library.base(self.model) is self.model:
            return None
        method = getattr(type(self.model), TRANSFORMERS.preparing_method, None)
        site = site_of(getattr(method, "__code__", None))
        return None if site is None else Departure(0, "", site, "generate", 0.0)

    def writing_line(self, name: str) -> Departure | None:
        """Where an input is first written to."""
        return writing_line(self, tuple(self.inputs[name].shape))

    def _all_rows(self) -> tuple[int, ...]:
        return tuple(range(self.rows))
