"""One run of a model in one mode, recorded or plain, and its outputs by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypedDict

import torch

from ..knowledge.library_names import TRANSFORMERS
from .output_names import own_name
from .outputs import named_tensors
from .recorder import Recorder, recording
from .records import Failure, Trace

Inputs = dict[str, Any]
"""Keyword arguments of a forward."""
NEW_TOKENS = 5
"""Tokens made in generate and beam mode: one prefill, then cached steps."""


Reader = Callable[[Any], Mapping[str, torch.Tensor]]
"""Makes named tensors of what a forward returned."""


class RunOptions(TypedDict):
    """How `execute` runs what is active."""

    use_cache: bool
    learns: bool
    as_in_use: frozenset[str]


def named(output: Any) -> Mapping[str, torch.Tensor]:
    """The tensors of an output by name, as they are."""
    return dict(named_tensors(output))


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
    as_in_use: frozenset[str] = frozenset(),
    learn_from: Reader = named,
) -> Any:
    """Run the model once: forward, forward and backward (of what `learn_from` reads), or generate.

    With `learns`, anything is to be trained: then a loss without a gradient is the user's crash, too. The
    modules at the paths `as_in_use` stay in eval mode.
    """
    if mode == "train":
        with training(model, as_in_use), torch.enable_grad():
            output = model(**inputs)
            total = _total(learn_from(output))
            if isinstance(total, torch.Tensor) and learns:
                total.backward()
        return output
    with torch.no_grad():
        if mode == "forward":
            return model(**inputs)
        return _generate(model, inputs, beams=2 if mode == "beam" else 1, use_cache=use_cache)


@contextmanager
def training(model: Any, as_in_use: frozenset[str]) -> Iterator[None]:
    """The model in train mode, without the modules at these paths."""
    model.train()
    for path, module in model.named_modules() if as_in_use else ():
        if path in as_in_use:
            module.training = False
    try:
        yield
    finally:
        model.eval()


def _total(outputs: Mapping[str, torch.Tensor]) -> torch.Tensor | int:
    """A sum over all rows: its gradients add up over lanes, a mean's do not."""
    return sum(_weighted(t) for name, t in outputs.items() if _teaches(name) and t.is_floating_point())


def _teaches(name: str) -> bool:
    """Not the loss, a mean over rows; not what pairs of rows give, which belongs to two adapters at once."""
    own = own_name(name)
    return own != "loss" and not own.startswith(TRANSFORMERS.pairwise_outputs)


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
