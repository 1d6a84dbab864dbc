"""The truth about one cell: after every step of its history, each row is what its adapters alone give.

`ok`, `wrong` (runs, other results; or accepts what does not exist), `crash`, `refused` (a no on purpose),
`no-effect` (an adapter changes nothing), `absent` (the release does not have it).
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from . import subject
from .blame import ours, stop
from .dense import combined
from .history import Names, NothingFailed, State
from .language import BASE, WEIGHTED, call, compose
from .observe import Seen, decode_greedily, difference, make_inputs, see

Spec = dict[str, Any]
TOLERANCE = 3e-4
"""Largest relative difference that is no error in float32; tests see to it that no cell lies close to it."""
SMALLEST_EFFECT = 1e-6


@dataclass
class Truth:
    """What was seen; `step` is the first step that departs: `build`, `start` before the history, or `alone`
    where the reference itself stops.
    """

    truth: str = "ok"
    step: str = ""
    why: str = ""
    deviation: float = 0.0
    """Largest difference of any row at `step`, or over all steps where none departs."""
    rows: list[int] = field(default_factory=list)
    """Rows that depart."""
    effect: float = 0.0
    """Smallest change that an adapter of the cell makes, relative to the scale."""
    stop: dict[str, Any] | None = None
    seconds: float = 0.0


def judge(spec: Spec) -> dict[str, Any]:
    """Judge one cell by plain execution in this process."""
    begin = time.perf_counter()
    torch.set_num_threads(1)
    try:
        truth = _judge(spec)
    except subject.Absent as error:
        truth = Truth("absent", why=str(error))
    truth.deviation = min(truth.deviation, 1e9)
    truth.seconds = round(time.perf_counter() - begin, 3)
    return vars(truth)


def _judge(spec: Spec) -> Truth:
    references = References(spec)
    references.of(())  # a model that cannot run at all is the oracle's own error
    truth = Truth()
    with contextlib.ExitStack() as resources:
        try:
            state = State(spec, resources)
        except subject.Absent:
            raise
        except Exception as error:
            return _stopped(truth, "build", error)
        for step in ("start", *spec.get("history", ())):
            if not _one_step(state, step, references, truth):
                return truth
    return _with_effect(truth, references)


def _one_step(state: State, step: str, references: References, truth: Truth) -> bool:
    """Do one step and look; False where the cell is decided."""
    try:
        state.start() if step == "start" else state.step(step)
        seen = see(state.model, state.spec, references.inputs_for(state.model), **state.call_arguments())
    except NothingFailed:
        raise
    except Exception as error:
        _stopped(truth, step, error)
        return False
    strange = _strangers(state.spec, step)
    if strange:
        truth.truth, truth.step = "wrong", step
        truth.why = f"accepted {', '.join(strange)}, which no adapter is called"
        return False
    try:
        gaps = references.gaps(seen, state)
    except Exception as error:
        _stopped(truth, "alone", error)
        return False
    truth.deviation = max(truth.deviation, *gaps)
    truth.rows = [row for row, gap in enumerate(gaps) if gap > TOLERANCE]
    if truth.rows:
        truth.truth, truth.step, truth.deviation = "wrong", step, max(gaps)
        return False
    return True


def _strangers(spec: Spec, step: str) -> list[str]:
    """Names that a step uses and no adapter has: the library must say no."""
    if step == "start":
        names = list(compose(spec["compose"]).names)
    else:
        word, inside = call(step)
        names = [] if word == "error" else [n.strip() for n in inside.split(",") if n.strip()]
    return [n for n in names if n not in (*spec["adapters"], BASE, WEIGHTED)]


def _stopped(truth: Truth, step: str, error: Exception) -> Truth:
    if ours(error):
        raise error
    truth.stop = stop(error)
    truth.truth = "refused" if truth.stop["deliberate"] else "crash"
    truth.step = step
    return truth


def _with_effect(truth: Truth, references: References) -> Truth:
    truth.effect = min(references.effects(), default=0.0)
    if references.effects() and truth.effect < SMALLEST_EFFECT:
        truth.truth, truth.why = "no-effect", "an adapter alone gives what the base gives"
    return truth


class References:
    """What adapters alone (or together, unmerged, in a fresh model) make of the batch; each is run once."""

    def __init__(self, spec: Spec) -> None:
        self.spec, self.known = spec, dict[Names, Seen]()
        self.composition = compose(spec["compose"])
        rows = len(self.composition.rows() or ()) or spec.get("batch", 3)
        self.inputs = make_inputs(subject.build_base(spec), spec, rows)

    def inputs_for(self, model: nn.Module) -> dict[str, torch.Tensor]:
        """The cell's inputs, without what only a peft model takes; copies: models may write into them."""
        plain = not hasattr(model, "base_model_prepare_inputs_for_generation") and not hasattr(
            model, "peft_config"
        )
        return {k: v.clone() for k, v in self.inputs.items() if not (plain and k == "task_ids")}

    def of(self, names: Names) -> Seen:
        """The whole batch under `names`."""
        if names not in self.known:
            model = self._model(names)
            inputs = self.inputs_for(model)
            if self.spec.get("mode") == "generate" and self.composition.kind != "mixed":
                self.known[names] = decode_greedily(model, inputs)
            else:
                self.known[names] = see(model, self.spec, inputs)
        return self.known[names]

    def _model(self, names: Names) -> nn.Module:
        if names == (WEIGHTED,):
            return self._weighted()
        if not names:
            return subject.build_base(self.spec)
        model = subject.build(self.spec, [n for n in self.spec["adapters"] if n in names])
        order = tuple(n for n in self.spec["adapters"] if n in names) if self.spec.get("any_order") else names
        subject.activate(model, order, self.spec)
        return model

    def _weighted(self) -> nn.Module:
        weights = dict(zip(self.composition.names, self.composition.numbers, strict=True))
        used = [n for n, w in weights.items() if w]
        if len(used) == 1 and weights[used[0]] == 1:
            return subject.build(self.spec, used)
        return combined(self.spec, weights)

    def gaps(self, seen: Seen, state: State) -> list[float]:
        """How far every row is from its own adapters alone."""
        gaps = []
        for row, names in enumerate(state.rows):
            wanted = self.of(names)
            gaps.append(difference(seen.rows[row], wanted.rows[row]))
        if self.spec.get("mode") == "train" and len(set(state.rows)) == 1 and state.rows[0]:
            gaps = [max(gap, self._gradient_gap(seen, state.rows[0])) for gap in gaps]
        return gaps

    def _gradient_gap(self, seen: Seen, names: Names) -> float:
        wanted = self.of(names).gradients
        extra = [k for k, v in seen.gradients.items() if k not in wanted and bool(v.abs().max() > 0)]
        return 1.0 if extra else difference(seen.gradients, wanted)

    def effects(self) -> list[float]:
        """The change every used set of adapters makes, largest over the rows."""
        base = self.of(())
        return [
            max(difference(one, other) for one, other in zip(seen.rows, base.rows, strict=True))
            for names, seen in self.known.items()
            if names
        ]
