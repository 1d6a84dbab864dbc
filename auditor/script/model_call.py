"""The call of a model with adapters among the frames of a program, and the inputs that it was given."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Any

from ..knowledge.library_names import ADAPTERS, TRANSFORMERS


@dataclass(frozen=True)
class ModelCall:
    """A call as it can be audited."""

    model: Any
    mode: str
    """A mode of an audit."""
    inputs: Mapping[str, Any]
    """Arguments of the model's forward, without those that are None."""


def failed_call(error: BaseException) -> ModelCall | None:
    """The outermost call of a model with adapters that the error came out of; None where there is none."""
    if "torch" not in sys.modules:
        return None
    called = _code_of_calls()
    for frame in _frames(error.__traceback__):
        found = generating(frame)
        if found is None and frame.f_code is called and has_adapters(frame.f_locals.get("self")):
            found = forward_call(frame.f_locals["self"], arguments_of(frame))
        if found is not None:
            return found
    return None


def _frames(trace: TracebackType | None) -> Iterator[FrameType]:
    while trace is not None:
        yield trace.tb_frame
        trace = trace.tb_next


def has_adapters(value: Any) -> bool:
    """Whether it is a model with adapters of a library that is known."""
    import torch

    from ..library.find_library import library_of

    return isinstance(value, torch.nn.Module) and library_of(value) is not None


def generating(frame: FrameType) -> ModelCall | None:
    """The call of `generate` that a frame is; None where it is something else."""
    if frame.f_code.co_name != TRANSFORMERS.generate or not has_adapters(frame.f_locals.get("self")):
        return None
    model, arguments = frame.f_locals["self"], arguments_of(frame)
    return ModelCall(model, _way_to_generate(arguments), _of_generate(model, arguments))


def forward_call(model: Any, arguments: Mapping[str, Any]) -> ModelCall:
    """The call of a model with these arguments, as `arguments_of` gives them."""
    return ModelCall(model, "train" if model.training else "forward", _of_forward(model, arguments))


def _code_of_calls() -> Any:
    import torch

    call: Any = torch.nn.Module.__call__
    return inspect.unwrap(call).__code__


def arguments_of(frame: FrameType) -> dict[str, Any]:
    """Name -> value of what a frame was called with; `*args` under "" as a tuple."""
    names, positional, keyword, values = inspect.getargvalues(frame)
    found = {name: values[name] for name in names if name != "self" and name in values}
    return {"": values.get(positional, ()) if positional else (), **found, **values.get(keyword or "", {})}


def _of_forward(model: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What the model's forward gets, by name; what none of its forwards names is no input."""
    from ..build.inputs import forward_names

    given = {**dict(zip(_in_order(model), arguments[""], strict=False)), **arguments}
    taken = {*forward_names(model), *ADAPTERS.context_arguments}
    return {name: value for name, value in given.items() if name in taken and value is not None}


def _in_order(model: Any) -> list[str]:
    """Names of positional arguments, of the first forward that has any: wrappers hand on what they get."""
    for base in type(model).__mro__:
        forward = base.__dict__.get("forward")
        parameters = inspect.signature(inspect.unwrap(forward)).parameters.values() if forward else ()
        names = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD and p.name != "self"]
        if names:
            return names
    return []


def _of_generate(model: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The tensors among the arguments of `generate`; the first one is the main input."""
    import torch

    given = {name: value for name, value in arguments.items() if isinstance(value, torch.Tensor)}
    main = [*arguments[""][:1], given.pop("inputs", None)]
    for value in main:
        if isinstance(value, torch.Tensor):
            given[getattr(model, "main_input_name", "input_ids")] = value
    return given


def _way_to_generate(arguments: Mapping[str, Any]) -> str:
    """`generate`, or `beam` where there are several."""
    config = arguments.get("generation_config")
    beams = arguments.get("num_beams") or getattr(config, "num_beams", None) or 1
    return "beam" if beams > 1 else "generate"
