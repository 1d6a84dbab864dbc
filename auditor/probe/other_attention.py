"""The other attention implementation: how to run a small model with it.

The model is switched in place where transformers can do that; older classes compute eagerly when they are
asked for the attention weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from ..schema.composition import Node
from .bench import Bench, Ran
from .value_check import NotApplicable

OTHER = {"sdpa": "eager", "eager": "sdpa"}

RunsOtherwise: TypeAlias = "Callable[[Node | None], Ran]"


@contextmanager
def other_attention(bench: Bench, weights: str) -> Iterator[tuple[str, RunsOtherwise]]:
    """Its name (or the argument that brings it about) and how to run a composition with it.

    `weights` is the argument that asks for attention weights. Raises NotApplicable where there is no other.
    """
    now = getattr(bench.model.config, "_attn_implementation", None)
    other = OTHER.get(now or "")
    if switches(bench.model) and other is not None and bench.model._supports_sdpa:
        with _switched(bench.model, other):
            yield other, bench.run
    elif now == "sdpa" and bench.subject.inputs is not None and weights in bench.subject.inputs.signature:
        inputs = {**bench.inputs, weights: True}
        yield weights, lambda tree: bench.run(tree, inputs)
    else:
        raise NotApplicable


def switches(model: Any) -> bool:
    """Whether the model's own class, below the adapter library's, can be switched from run to run."""
    own = next((c for c in type(model).__mro__ if c.__module__.startswith("transformers.")), None)
    can = getattr(own, "_can_set_attn_implementation", None)
    return can is not None and bool(can())


@contextmanager
def _switched(model: Any, other: str) -> Iterator[None]:
    """The model and its parts, which may differ, with another implementation for a while."""
    every: Iterator[Any] = (getattr(module, "config", None) for module in model.modules())
    configs = {id(c): c for c in every if hasattr(c, "_attn_implementation")}  # those of heads say nothing
    before = [(config, config._attn_implementation) for config in configs.values()]
    try:
        try:
            model.set_attn_implementation(other)
        except (ValueError, ImportError) as error:  # a part of the model has one implementation only
            raise NotApplicable from error
        yield
    finally:
        for config, kept in before:  # the whole first: it hands its own on to its parts
            config._attn_implementation = kept
