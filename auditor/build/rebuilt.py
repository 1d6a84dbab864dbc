"""A model in hand, built again: from its own configuration, with the adapters' own configurations.

What is built again can be made small, and can be built in another process, where fixes are proven. It stands
for the model only if nothing else was done to it: same modules, same parameters, no code of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, get_args

import torch

from ..request.job import Job
from ..request.model_source import ModelSource
from ..schema.spec import Attention
from ..trace.meta.device import ValuelessDevice
from ..trace.module_paths import walked
from .subject import Subject, bare_model, set_up


class CannotRebuild(Exception):
    """The text says why."""


def rebuilt(job: Job) -> Job:
    """The job on the model that is built again. Raises CannotRebuild."""
    model = job.source.model
    config = getattr(model, "config", None)
    if config is None or not hasattr(config, "to_dict"):
        raise CannotRebuild("it has no configuration to build it from")
    missing = [name for name in job.names if name not in job.methods]
    if missing:
        raise CannotRebuild(f"the configuration of the adapter {missing[0]} has no text")
    source = ModelSource(
        job.source.name,
        "built again from the configuration of the model in hand",
        config=config.to_dict(),
        dtypes=job.source.dtypes,
        inputs=job.source.inputs,
        config_class=_name_of(type(config)),
        model_class=_name_of(_own_class(model, job.library.package)),
    )
    attention = getattr(config, "_attn_implementation", None)
    attention = attention if attention in get_args(Attention) else None
    again = replace(job, source=source, spec=job.spec.model_copy(update={"attn": attention}))
    _compare(model, _on_meta(again))
    return again


def _own_class(model: Any, package: str) -> type:
    """The class below those that the adapter library put over it, which no module has."""
    for cls in type(model).__mro__:
        if hasattr(cls, "config_class") and _is_importable(cls):
            if cls.__module__.partition(".")[0] == package:
                raise CannotRebuild(f"the heads of {cls.__name__} are not in its configuration")
            return cls
    raise CannotRebuild(f"{type(model).__name__} cannot be imported by its name")


def _name_of(cls: type) -> str:
    if not _is_importable(cls):
        raise CannotRebuild(f"{cls.__name__} cannot be imported by its name")
    return f"{cls.__module__}:{cls.__qualname__}"


def _is_importable(cls: type) -> bool:
    return getattr(sys.modules.get(cls.__module__), cls.__qualname__, None) is cls


def _on_meta(job: Job) -> Any:
    """The full model with all adapters of the composition, without values."""
    try:
        with ValuelessDevice():
            subject = Subject(job, bare_model(job))
            failure = set_up(subject)
    except Exception as error:
        raise CannotRebuild(f"building it again fails ({type(error).__name__}: {error})") from error
    if failure is not None:
        raise CannotRebuild(f"setting it up again fails ({failure.kind}: {failure.message})")
    return subject.model


def _compare(model: Any, again: Any) -> None:
    """Raise CannotRebuild where the model is not what its configuration makes, but for other adapters."""
    theirs, mine = walked(again), walked(model)
    for path in mine.keys() - theirs.keys():
        kept = path.split(".")
        above = (mine[".".join(kept[:n])] for n in range(len(kept)))
        if not any(isinstance(module, torch.nn.ModuleDict) for module in above):
            raise CannotRebuild(f"{path} is not in what its configuration makes")
    for path, module in theirs.items():
        own = mine.get(path)
        if own is None or type(own).__name__ != type(module).__name__:
            raise CannotRebuild(f"{path or 'the model'} is not what its configuration makes")
        for name, parameter in module.named_parameters(recurse=False):
            other = own._parameters.get(name)
            if other is None or other.shape != parameter.shape:
                raise CannotRebuild(f"{path}.{name} is not what its configuration makes")
        changed = next(_own_code(own, module), None)
        if changed is not None:
            raise CannotRebuild(f"{path or 'the model'} has {changed} of its own")


def _own_code(module: Any, again: Any) -> Iterator[str]:
    """Methods that were put into an instance, and hooks."""
    for name, value in vars(module).items():
        if callable(value) and callable(getattr(type(module), name, None)) and name not in vars(again):
            yield f"a {name}"
    for kind in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks"):
        if len(getattr(module, kind)) > len(getattr(again, kind)):
            yield kind.strip("_").replace("_", " ")
