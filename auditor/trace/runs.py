"""One run of a model in one mode, recorded or plain, and its outputs by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict

import torch

from ..knowledge.library_names import TRANSFORMERS
from .recorder import Recorder, recording
from .records import Failure, Trace

Inputs = dict[str, Any]
"""Keyword arguments of a forward."""
NEW_TOKENS = 5
"""Tokens made in generate and beam mode: one prefill, then cached steps."""


class RunOptions(TypedDict):
    """How `execute` runs what is active."""

    use_cache: bool
    learns: bool


@dataclass
class Run:
    """What came out of one run. `outputs` maps names to tensors; `failure` is what stopped it."""

    outputs: dict[str, torch.Tensor] = field(default_factory=dict)
    failure: Failure | None = None
    trace: Trace = field(default_factory=Trace)
    recorder: Recorder | None = None


def execute(
    model: Any,
    inputs: Inputs,
    mode: str,
    *,
    use_cache: bool = True,
    learns: bool = True,
    learn_from: tuple[int, ...] | None = None,
) -> Any:
    """Run the model once: forward, forward and backward (of some rows only: `learn_from`), or generate.

    With `learns`, anything is to be trained: then a loss without a gradient is the user's crash, too.
    """
    if mode == "train":
        return _train(model, inputs, learns=learns, rows=learn_from)
    with torch.no_grad():
        if mode == "forward":
            return model(**inputs)
        return _generate(model, inputs, beams=2 if mode == "beam" else 1, use_cache=use_cache)


def _train(model: Any, inputs: Inputs, *, learns: bool, rows: tuple[int, ...] | None) -> Any:
    """Forward and backward of a sum over all rows: its gradients add up over lanes, a mean's do not."""
    model.train()
    try:
        with torch.enable_grad():
            output = model(**inputs)
            answers = (t for name, t in named_tensors(output) if _teaches(name) and t.is_floating_point())
            total = sum(_weighted(_rows(t, rows)) for t in answers)
            if isinstance(total, torch.Tensor) and learns:
                total.backward()
        return output
    finally:
        model.eval()


def _teaches(name: str) -> bool:
    """Not the loss, a mean over rows; not what pairs of rows give, which belongs to two adapters at once."""
    return name != "loss" and not name.startswith(TRANSFORMERS.pairwise_outputs)


def _rows(tensor: torch.Tensor, rows: tuple[int, ...] | None) -> torch.Tensor:
    return tensor if rows is None or not tensor.dim() else tensor[list(rows)]


def _weighted(tensor: torch.Tensor) -> torch.Tensor:
    """A sum with unequal weights, alike for every row: a plain sum of normalised states has no gradient."""
    if tensor.dim() < 2:
        return tensor.sum()  # the only axis counts rows
    weights = torch.arange(1, tensor.shape[-1] + 1, dtype=tensor.dtype, device=tensor.device)
    return (tensor * weights / tensor.shape[-1]).sum()


def _without_end(model: Any) -> None:
    """Decoding to the asked length: an early end of random text shows nothing about adapters.

    Padding is no choice either: some models cut it off and then have no text left.
    """
    settings = model.generation_config
    settings.eos_token_id = None
    settings.forced_eos_token_id = None
    if settings.pad_token_id is None:
        settings.pad_token_id = getattr(model.config, "pad_token_id", None)
    if settings.pad_token_id is not None:
        settings.bad_words_ids = [[settings.pad_token_id], *(settings.bad_words_ids or ())]


def _generate(model: Any, inputs: Inputs, beams: int, use_cache: bool) -> Any:
    _without_end(model)
    return model.generate(
        **inputs,
        max_new_tokens=NEW_TOKENS,
        num_beams=beams,
        do_sample=False,
        use_cache=use_cache,
        output_scores=True,
        output_logits=True,
        return_dict_in_generate=True,
    )


def recorded_run(model: Any, inputs: Inputs, mode: str, recorder: Recorder, **options: Any) -> Run:
    """Run under a recorder; an exception that ends the run becomes part of it. Options as for `execute`."""
    run = Run(trace=recorder.trace, recorder=recorder)
    given = on_device_of(model, inputs, recorder)
    with recording(recorder):
        try:
            output = execute(model, given, mode, **options)
        except Exception as error:
            recorder.stopped(error)
            run.failure = next((f for f in recorder.trace.failures if not f.repaired), None)
            return run
    run.outputs = dict(named_tensors(output))
    recorder.trace.outputs = {k: tuple(v.shape) for k, v in run.outputs.items()}
    return run


def on_device_of(model: Any, inputs: Inputs, recorder: Recorder | None = None) -> Inputs:
    """Fresh copies of the inputs where the model is; on meta the integer ones carry their values."""
    device = next(model.parameters()).device
    if device.type != "meta":
        return {k: v.clone() if isinstance(v, torch.Tensor) else v for k, v in inputs.items()}
    return {k: _to_meta(v, recorder) if isinstance(v, torch.Tensor) else v for k, v in inputs.items()}


def _to_meta(value: torch.Tensor, recorder: Recorder | None) -> torch.Tensor:
    meta = torch.empty_like(value, device="meta")
    if recorder is not None and not value.is_floating_point():
        recorder.carrier.attach(meta, value)
    return meta


def named_tensors(output: Any, prefix: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """Tensors of a model's output by name; caches are left out (what they hold shows in later steps)."""
    if isinstance(output, torch.Tensor):
        yield prefix or "output", output
    elif isinstance(output, Mapping):
        for key, value in output.items():
            if key not in TRANSFORMERS.caches:
                yield from named_tensors(value, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(output, (tuple, list)):
        for i, value in enumerate(output):
            yield from named_tensors(value, f"{prefix}.{i}" if prefix else str(i))
