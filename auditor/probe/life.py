"""A copy of the small model that goes through a history, and where it is no longer what it was."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType
from typing import TYPE_CHECKING, Any

import torch

from ..build.subject import failure_of
from ..facts.observations import Departure
from ..library.library import HasHistories
from ..request.sizes import filled
from ..schema.composition import Node
from ..schema.composition_parser import parse
from ..schema.history import ERROR, Step
from ..source.source_files import relative_file
from ..trace.records import Failure, Site
from .bench import Bench, Ran
from .precision import deviation

if TYPE_CHECKING:
    from collections.abc import Callable

IMPOSSIBLE = 10_000
"""What is added to token ids, for a call that fails inside of the model."""
Values = list[tuple[str, torch.Tensor]]


class Life:
    """One copy of a bench's model, as the steps of a history leave it."""

    def __init__(self, bench: Bench, library: HasHistories) -> None:
        self.bench, self.library = bench, library
        bench.subject.activate(bench.tree)
        self.model = _copied(bench.model)
        self.ran = Ran()

    def do(self, step: Step, tree: Node | None) -> Failure | None:
        """Do a step and call the model, which must then act as `tree`; what stopped either of them."""
        try:
            if step.word == ERROR:
                self._fail(step)
            else:
                self.model = self.library.step(self.model, step, self._fresh)
        except Exception as error:
            return failure_of(error, self.bench.library.package)
        self.ran = self.bench.run_model(self.model, tree)
        return self.ran.failure

    def _fresh(self) -> Any:
        return self.bench.raw_model()

    def _fail(self, step: Step) -> None:
        """A call with inputs that the model cannot take."""
        told = filled(parse(step.call), self.bench.rows, None) if step.call else self.bench.tree
        name, value = next(iter(self.bench.inputs.items()))
        given = {**self.bench.inputs, name: _spoiled(value)}
        if self.bench.run_model(self.model, told, given).failure is None:
            raise RuntimeError("a call with impossible inputs did not fail")

    def departure(self, step: Step, tree: Node | None) -> Departure | None:
        """The first module whose output is not what it should be, and the function of the step there."""
        bench = self.bench
        bench.subject.activate(tree)
        own = {path for path, _ in bench.raw_model().named_modules()}
        before = _outputs(bench.model, lambda: bench.run_model(bench.model, tree))
        after = dict(_outputs(self.model, lambda: bench.run_model(self.model, tree)))
        for path, value in before:
            now = after.get(path) if path in own else None  # inside of a tuner's layer values may differ
            if now is not None and now.shape == value.shape and deviation(now, value) > bench.tolerance:
                return self._place(step, path, deviation(now, value))
        return None

    def _place(self, step: Step, module: str, amount: float) -> Departure:
        model = self.bench.model
        full = next((p for p, _ in model.named_modules() if _inner(p) == module), module)
        site = site_of(self.library.code_of(model, step, full))
        return Departure(0, full, site or Site("", 0, ""), step.word, amount)


def site_of(code: CodeType | None) -> Site | None:
    """Where a function is defined; None outside of packages."""
    file = relative_file(code.co_filename) if code is not None else None
    return Site(file, code.co_firstlineno, code.co_name) if code is not None and file else None


def _copied(model: Any) -> Any:
    """A deep copy. Buffers computed from weights have a history, which torch copies for leaves only."""
    for module in model.modules():
        for name, buffer in module.named_buffers(recurse=False):
            if not buffer.is_leaf:
                module.register_buffer(name, buffer.detach(), name not in module._non_persistent_buffers_set)
    return copy.deepcopy(model)


def _spoiled(value: torch.Tensor) -> torch.Tensor:
    """Pixels of one channel, tokens that no vocabulary has."""
    return value[:, :1] if value.is_floating_point() else value + IMPOSSIBLE


def _outputs(model: Any, run: Callable[[], Any]) -> Values:
    """The first output of every module, by its path in the model inside, in the order in which they end."""
    seen: dict[str, torch.Tensor] = {}

    def keep(path: str) -> Any:
        def hook(_module: Any, _arguments: Any, output: Any) -> None:
            value = output[0] if isinstance(output, tuple) and output else output
            if isinstance(value, torch.Tensor):
                seen.setdefault(path, value.detach().clone())

        return hook

    hooks = [m.register_forward_hook(keep(_inner(path))) for path, m in model.named_modules()]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    return list(seen.items())


def _inner(path: str) -> str:
    """A module's path without what the library wraps around the model."""
    return path.removeprefix("base_model.model.")


@contextmanager
def living(bench: Bench) -> Iterator[Life]:
    """A copy of the model that goes through a history. The bench's own stays as it is."""
    library = bench.library
    assert isinstance(library, HasHistories)
    yield Life(bench, library)
