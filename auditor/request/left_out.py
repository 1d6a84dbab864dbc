"""What a model's own configuration says and an audit leaves out, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .job import Job

DTYPES = ("torch_dtype", "dtype")
QUANTISATION = "quantization_config"


def left_out(job: Job) -> tuple[str, ...]:
    """One sentence for each thing that is not audited as it was saved."""
    config = job.source.config
    if config is None:
        own = getattr(job.source.model, "config", None)
        config = {QUANTISATION: getattr(own, QUANTISATION, None)}
    return (*_dtype(config, job.spec.dtype), *_quantisation(config))


def _dtype(config: Mapping[str, Any], asked: str | None) -> Iterator[str]:
    """A dtype that nobody asked for: transformers loads in float32 then, too, and so is it audited."""
    saved = next((str(config[name]) for name in DTYPES if config.get(name)), "float32")
    name = saved.removeprefix("torch.")
    if asked is None and name != "float32":
        yield f"saved in {name}, audited in float32: ask for the other with --dtype {name}"


def _quantisation(config: Mapping[str, Any]) -> Iterator[str]:
    settings = config.get(QUANTISATION)
    if settings:
        method = settings.get("quant_method") if isinstance(settings, Mapping) else type(settings).__name__
        yield f"the quantisation of the configuration ({method or 'of unknown kind'}) is left out"
