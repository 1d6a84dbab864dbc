"""What the probe executes: a shrunk configuration, a model in hand built again and shrunk, or as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..build.rebuilt import CannotRebuild, rebuilt
from ..build.subject import make_config
from ..knowledge.library_names import TRANSFORMERS as NAMES
from ..request.job import Job
from ..request.model_in_hand import is_large
from .shrink import shrink
from .value_check import Unanswered

AS_IT_IS_UP_TO = 500_000_000
"""Parameters of a model in hand that is executed though it cannot be made small."""


def executable(job: Job) -> tuple[Job, str]:
    """The job, on a large model in hand built again; and why it is executed as it is, where it cannot be.

    Raises Unanswered where it cannot be executed either.
    """
    model = job.source.model
    if model is None or not is_large(model):
        return job, ""
    try:
        return rebuilt(job), ""
    except CannotRebuild as reason:
        millions = sum(p.numel() for p in model.parameters()) // 1_000_000
        text = f"the model of {millions} million parameters cannot be made small ({reason})"
        if any(p.is_meta for p in model.parameters()):
            raise Unanswered(f"no values were compared: {text}, and has none itself") from reason
        if millions * 1_000_000 > AS_IT_IS_UP_TO:
            raise Unanswered(f"no values were compared: {text}, and is too large to be executed") from reason
        return job, f"probe: {text}; it was executed as it is, in float32"


def small_job(job: Job, head_size: int) -> tuple[Job, list[str]]:
    """The job with a shrunk configuration, and what was changed; models from functions stay as they are."""
    source = job.source
    if source.config is None:
        return job, []
    given = source.inputs or {}
    single = (
        job.spec.skip_layers
        or any(map(job.library.picks_layers, job.methods.values()))
        or any(name in given for name in NAMES.head_masks)
    )
    full = make_config(source).to_dict()
    config, notes = shrink(full, fold=not single, head_size=head_size, given=bool(given))
    inputs = {name: _cut(name, value, config) for name, value in given.items()} or None
    return job.at(replace(source, config=config, inputs=inputs)), [f"probe: {n}" for n in notes]


def _cut(name: str, value: Any, config: Mapping[str, Any]) -> Any:
    """An input of the caller's for a model of smaller width and fewer heads."""
    if name in NAMES.embedded_arguments:
        return value[..., : _first(config, NAMES.widths)]
    if name in NAMES.head_masks:
        return value[..., : _first(config, NAMES.heads)]
    return value


def _first(config: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    return next((config[name] for name in names if isinstance(config.get(name), int)), None)
