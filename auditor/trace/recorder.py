"""The one recorder, for both fidelities: a dispatch mode that writes every op of a run as a `Record`.

It survives errors: where an op or a module fails and the reference traces tell what it should have
returned, the run goes on with a tensor of that shape, so that one audit lists all problems.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from ..runtime.dedicated_process import is_dedicated
from .align.repair import Repairs
from .meta.device import values_on_meta
from .meta.dispatch import NOWHERE, SCALAR, MetaValues
from .meta.open_end import OpenEnd
from .module_paths import Names, names_in
from .operators import operator
from .records import Failure, Key, Operand, Record, Site, Trace
from .stack_sites import current_site, is_deliberate, message_of, stack_sites, traceback_sites
from .tensors import readable, tensors_in, tensors_in_call
from .token_ids import ordinary_token

MAX_RECORDS = 150_000
"""More than any model needs for a few tokens: a loop that waits for a value that meta cannot give."""


class RunawayRun(OpenEnd):
    """A recorded run that does not end."""


@dataclass
class ModuleCall:
    """One call of a module: its path, its number, and how often each op ran at each line in it."""

    path: str
    number: int
    seen: dict[tuple[str, int, str], int] = field(default_factory=lambda: defaultdict(int))


class Recorder(MetaValues):
    """Records ops while it is active; use `recording(...)`, which also follows the module calls.

    `values=True` keeps a copy of what every op returned (probe runs of small models); `names` are those of
    the model, where many runs need them; a `raise` in `package` is a refusal on purpose.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        *,
        repairs: Repairs | None = None,
        values: bool = False,
        names: Names | None = None,
        package: str = "",
    ) -> None:
        super().__init__()
        self.trace = Trace()
        self.token = ordinary_token(getattr(model, "config", None))
        self.calls: dict[int, tuple[Any, Any, Any]] = {}
        """Record -> the torch operator and its arguments, of every op that returned."""
        self.values: list[Any] | None = [] if values else None
        self.module_outputs: dict[tuple[str, int], Any] = {}
        self._repairs = repairs
        self._package = package
        self._names, self._paths = names or names_in(model)
        self._calls: dict[str, int] = defaultdict(int)
        self._stack = [ModuleCall("", -1)]
        self._made: dict[int, int] = {}
        self._outputs: list[tuple[int, list[torch.Tensor]]] = []
        """Record and what it returned, kept alive: an address that is free again could be another's."""
        self._made_at: dict[tuple[Any, ...], int] = {}
        self._indexed = 0
        """How many of `_outputs` are in `_made_at`."""
        self._made_up = set[int]()
        """Records that follow from values that were made up where they decide about shapes."""
        self._mended: set[tuple[str, int, str, int]] = set()
        """Statements (module call and line) in which an op was repaired: the rest of them follows from it."""

    # -- ops -----------------------------------------------------------------------------------------

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one op on the values at hand and write it down."""
        kwargs = kwargs or {}
        op = operator(func)
        if op.name == SCALAR:
            return self.scalar(args[0])
        if op.name in _UNRECORDED:
            return func(*args, **kwargs)
        tensors = tensors_in_call(args, kwargs)
        record = self._begin(op.name, op.mutates, tensors)
        try:
            out = self.run(op, args, kwargs, tensors)
        except OpenEnd:
            raise
        except Exception as error:
            self._raise_open(record, error)
            record, out = self._repair_op(record, error, args)
            if out is None:
                raise
        else:
            record, out = self._consequence(record, out, args)
        self._end(record, out)
        self.calls[record.index] = (func, args, kwargs)
        return out

    def _begin(self, name: str, mutable: bool, tensors: list[torch.Tensor]) -> Record:
        index = len(self.trace.records)
        if index >= MAX_RECORDS:
            raise RunawayRun(f"the run did not end within {MAX_RECORDS} operations")
        site = current_site(sys._getframe(2)) or NOWHERE
        call = self._stack[-1]
        seen = (site.file, site.line, name)
        occurrence = call.seen[seen]
        call.seen[seen] = occurrence + 1
        key = Key(call.path, call.number, site.file, site.line, name, occurrence)
        operands = tuple([self._operand(t) for t in tensors])
        if self._made_up and any(o.producer in self._made_up for o in operands):
            self._made_up.add(index)
        record = Record(index, key, site, operands, mutates=mutable)
        self.trace.records.append(record)
        return record

    def _end(self, record: Record, out: Any) -> None:
        outputs = tensors_in(out)
        self._put(record.returned(tuple([tuple(t.shape) for t in outputs])))
        for tensor in outputs:
            self._made[id(tensor)] = record.index
        self._outputs.append((record.index, outputs))
        if self.values is not None:
            self.values.append([readable(t.detach()).clone() for t in outputs])

    def _put(self, record: Record) -> Record:
        """Keep what is known of an op by now."""
        self.trace.records[record.index] = record
        return record

    def _operand(self, tensor: torch.Tensor) -> Operand:
        producer, source = self._made.get(id(tensor)), ""
        if producer is None:
            source = self._names.get(id(tensor), "")
            if not source:
                producer = self._maker_of_alias(tensor)
        return Operand(tuple(tensor.shape), producer, source)

    def _maker_of_alias(self, tensor: torch.Tensor) -> int | None:
        """Autograd hands out views as new objects: find what made one by storage and layout."""
        for index, outputs in self._outputs[self._indexed :]:
            for output in outputs:
                self._made_at[_identity(output)] = index
        self._indexed = len(self._outputs)
        return self._made_at.get(_identity(tensor))

    def _repair_op(self, record: Record, error: Exception, args: Any) -> tuple[Record, Any]:
        """The record of the failure, and what the op should have returned; None when nobody knows.

        Raised again by the caller: a frame that raises its own argument is a cycle with all that it sees.
        """
        out = self._repairs.op_output(record.key, args) if self._repairs is not None else None
        follows = record.key[:4] in self._mended
        text = "" if follows and out is not None else f"{type(error).__name__}: {error}"
        record = self._put(record._replace(error=text, repaired=out is not None))
        if out is None:
            error.audit_record = record.index  # type: ignore[attr-defined]
            return record, None
        self._mended.add(record.key[:4])
        if not follows:
            failure = self._failure(error, record.index, repaired=True, module=record.key.module)
            self.trace.failures.append(failure)
        return record, out

    def _consequence(self, record: Record, out: Any, args: Any) -> tuple[Record, Any]:
        """Composite ops go on with sizes that they read before the repair: keep to the twin's shape."""
        if not self._mended or record.key[:4] not in self._mended or self._repairs is None:
            return record, out
        if not isinstance(out, torch.Tensor) or self._repairs.fits(record.key, tuple(out.shape)):
            return record, out
        expected = self._repairs.op_output(record.key, args)
        if expected is None:
            return record, out
        return record._replace(repaired=True), expected

    def made_up(self, site: Site) -> None:
        """Note the question, and that what follows may fail for its answer."""
        super().made_up(site)
        self._made_up.add(len(self.trace.records) - 1)

    def _raise_open(self, record: Record, error: Exception) -> None:
        """An op that fails on what was made up tells nothing."""
        if record.index in self._made_up:
            site = record.site
            raise OpenEnd(f"what {record.key.op} gives at {site.file}:{site.line}") from error

    def unknown(self, site: Site) -> None:
        """Note a question that nobody can answer on meta."""
        self.trace.unknowns.append(f"the value of a tensor asked for at {site.file}:{site.line}")

    # -- modules -------------------------------------------------------------------------------------

    def call_module(self, original: Any, module: torch.nn.Module, args: Any, kwargs: Any) -> Any:
        """Run one module call, keeping the path of modules; repair its output when it fails."""
        path = self._paths.get(id(module)) or (
            f"{self._stack[-1].path}.<{type(module).__name__}>" if len(self._stack) > 1 else ""
        )
        call = ModuleCall(path, self._calls[path])
        self._calls[path] += 1
        self._stack.append(call)
        try:
            out = original(module, *args, **kwargs)
        except Exception as error:
            out = self._repair_module(call, error, args, kwargs)
            if out is None:
                raise
        finally:
            self._stack.pop()
        self.module_outputs[(call.path, call.number)] = out
        return out

    def _repair_module(self, call: ModuleCall, error: Exception, args: Any, kwargs: Any) -> Any:
        """What the module should have returned; None when nobody knows, or when it refused on purpose."""
        if not hasattr(error, "audit_module"):
            error.audit_module = call.path  # type: ignore[attr-defined]
        if (
            self._repairs is None
            or isinstance(error, OpenEnd)
            or is_deliberate(error.__traceback__, self._package)
            or len(self._stack) <= 2
        ):
            return None
        out = self._repairs.module_output((call.path, call.number), (args, kwargs))
        if out is None:
            return None
        record = getattr(error, "audit_record", None)
        if record is not None:
            self._put(self.trace.records[record]._replace(repaired=True))
        module = getattr(error, "audit_module", call.path)
        self.trace.failures.append(self._failure(error, record, repaired=True, module=module))
        return out

    def stopped(self, error: Exception) -> None:
        """Note the exception that ended the run; an open end is a question, no failure."""
        if isinstance(error, OpenEnd):
            self.trace.unknowns.append(str(error))
            return
        module = getattr(error, "audit_module", "")
        record = getattr(error, "audit_record", None)
        self.trace.failures.append(self._failure(error, record, repaired=False, module=module))

    def _failure(self, error: Exception, record: int | None, *, repaired: bool, module: str) -> Failure:
        sites = traceback_sites(error.__traceback__) + stack_sites(sys._getframe(1))
        return Failure(
            kind=type(error).__name__,
            message=message_of(error),
            site=self.trace.records[record].site if record is not None else (sites[0] if sites else None),
            module=module,
            record=record,
            deliberate=is_deliberate(error.__traceback__, self._package),
            repaired=repaired,
            frames=sites,
        )


_recorders: list[Recorder] = []
"""Those that are recording, the innermost last."""


@contextmanager
def recording(recorder: Recorder) -> Iterator[Recorder]:
    """Record all ops and module calls of the block; exceptions pass through."""
    with followed_modules(), values_on_meta(recorder.carrier), recorder:
        _recorders.append(recorder)
        try:
            yield recorder
        finally:
            _recorders.pop()


@contextmanager
def followed_modules() -> Iterator[None]:
    """Module calls in the block go through the recorder, while there is one.

    Around many runs once: to change the class of all modules makes Python forget what it has looked up in
    every class below it. Where nobody else uses the process, it is never changed back.
    """
    if torch.nn.Module.__call__ is _traced_call:
        yield
        return
    _original_calls.append(torch.nn.Module.__call__)
    torch.nn.Module.__call__ = _traced_call  # type: ignore[method-assign]
    try:
        yield
    finally:
        if not is_dedicated():
            torch.nn.Module.__call__ = _original_calls.pop()  # type: ignore[method-assign]


_original_calls: list[Any] = []


def _traced_call(module: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
    original = _original_calls[-1]
    if not _recorders:
        return original(module, *args, **kwargs)
    return _recorders[-1].call_module(original, module, args, kwargs)


def _identity(tensor: torch.Tensor) -> tuple[Any, ...]:
    if tensor.layout is not torch.strided:
        return (id(tensor),)
    return (
        tensor.untyped_storage()._cdata,
        tensor.storage_offset(),
        tuple(tensor.shape),
        tensor.stride(),
    )


_UNRECORDED = frozenset({"aten.detach.default", "prim.device.default"})
