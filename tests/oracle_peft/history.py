"""A model under a history: every step does what a user would write, and says what must hold afterwards."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from . import subject
from .language import BASE, WEIGHTED, Compose, call, compose
from .observe import make_inputs, see

Spec = dict[str, Any]
Names = tuple[str, ...]


class NothingFailed(Exception):
    """The oracle's own step did not do its work."""


class State:
    """The model in hand, and `rows`: which adapters must act together on each row of the next call."""

    def __init__(self, spec: Spec, resources: contextlib.ExitStack) -> None:
        self.spec, self.resources = spec, resources
        self.composition: Compose = compose(spec["compose"])
        self.model: nn.Module = subject.build(spec, tuple(spec["adapters"]))
        self.disabled: contextlib.AbstractContextManager[Any] | None = None
        self.alias: dict[str, str] = {}
        self.rows: tuple[Names, ...] = ()

    def start(self) -> None:
        """Do what the composition says; a mixed one is only said in the call."""
        kind, names = self.composition.kind, self.composition.names
        if kind == "mixed":
            self.rows = tuple(() if n == BASE else (n,) for n in self.composition.rows() or ())
            return
        if kind == "weighted":
            self._combine()
            names = (WEIGHTED,)
        if names:
            subject.activate(self.model, names, self.spec)
        self._all(names)

    def _combine(self) -> None:
        written = self.composition
        options = dict(self.spec.get("options", {}))
        if written.how:
            options["combination_type"] = written.how
        self.model.add_weighted_adapter(
            list(written.names), list(written.numbers), adapter_name=WEIGHTED, **options
        )

    def _all(self, names: Names) -> None:
        self.rows = (names,) * self.spec.get("batch", 3)

    def call_arguments(self) -> dict[str, Any]:
        """What the next call passes besides the inputs."""
        rows = self.composition.rows()
        return {"adapter_names": list(rows)} if rows else {}

    def step(self, text: str) -> None:
        """One step of the history; the library's exceptions pass through."""
        word, inside = call(text)
        STEPS[word](self, inside)


def _names(inside: str) -> Names:
    return tuple(n.strip() for n in inside.split(",") if n.strip())


def _merge(state: State, inside: str) -> None:
    names = _names(inside)
    state.model.merge_adapter(**({"adapter_names": list(names)} if names else {}))
    if names:
        state._all(names)


def _unmerge(state: State, inside: str) -> None:
    state.model.unmerge_adapter()


def _set(state: State, inside: str) -> None:
    """A mixed batch is told in each call: what was set does not matter to it."""
    subject.activate(state.model, _names(inside), state.spec)
    if not state.composition.rows():
        state._all(_names(inside))


def _delete(state: State, inside: str) -> None:
    state.model.delete_adapter(inside)


def _disable(state: State, inside: str) -> None:
    if state.spec.get("through") == "add_adapter":
        state.model.disable_adapters()
    else:
        state.disabled = state.model.disable_adapter()
        state.disabled.__enter__()
        state.resources.push(state.disabled)
    state.before = state.rows
    state._all(())


def _enable(state: State, inside: str) -> None:
    if state.spec.get("through") == "add_adapter":
        state.model.enable_adapters()
    else:
        state.resources.pop_all().__exit__(None, None, None)
    state.rows = state.before


def _error(state: State, inside: str) -> None:
    """A call that fails inside of the model: token ids beyond the vocabulary, pixels of no channel."""
    rows = compose(inside).rows() if inside else None
    more = {"adapter_names": list(rows)} if rows else {}
    inputs = make_inputs(subject.build_base(state.spec), state.spec, len(rows or state.rows))
    key, value = next(iter(inputs.items()))
    inputs[key] = value[:, :1] if value.is_floating_point() else value + 10_000
    try:
        see(state.model, state.spec, inputs, **more)
    except Exception:  # what is raised is the user's own mistake: the next call counts
        return
    raise NothingFailed("a call with impossible inputs must fail")


def _save_load(state: State, inside: str) -> None:
    names = tuple(state.spec["adapters"])
    folder = Path(state.resources.enter_context(tempfile.TemporaryDirectory()))
    places = subject.save(state.spec, names, state.model, folder)
    order = _names(inside) or names
    state.model = subject.load(state.spec, {n: places[n] for n in order})
    if state.composition.kind == "active":
        subject.activate(state.model, state.rows[0] or state.composition.names, state.spec)


def _hot_swap(state: State, inside: str) -> None:
    from peft.utils import hotswap

    old, new = _names(inside)
    folder = Path(state.resources.enter_context(tempfile.TemporaryDirectory()))
    place = subject.save(state.spec, (new,), subject.build(state.spec, [new]), folder)[new]
    hotswap.hotswap_adapter(state.model, str(place), adapter_name=old)
    state.rows = tuple(tuple(new if n == old else n for n in row) for row in state.rows)


def _unload(state: State, inside: str) -> None:
    state.model = state.model.unload()
    state._all(())


def _merge_and_unload(state: State, inside: str) -> None:
    names = _names(inside)
    state.model = state.model.merge_and_unload(**({"adapter_names": list(names)} if names else {}))
    if names:
        state._all(names)


def _train_step(state: State, inside: str) -> None:
    """One backward pass and its gradients thrown away: nothing may change."""
    inputs = make_inputs(subject.build_base(state.spec), state.spec, len(state.rows))
    see(state.model, state.spec | {"mode": "train"}, inputs, **state.call_arguments())


STEPS: dict[str, Callable[[State, str], None]] = {
    "merge": _merge,
    "unmerge": _unmerge,
    "set": _set,
    "delete": _delete,
    "disable": _disable,
    "enable": _enable,
    "error": _error,
    "save_load": _save_load,
    "hot_swap": _hot_swap,
    "unload": _unload,
    "merge_and_unload": _merge_and_unload,
    "train_step": _train_step,
}
