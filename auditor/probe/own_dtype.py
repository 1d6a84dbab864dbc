"""The composition run in the dtypes that it is used in: values are compared in float64, which hides them.

A base model in bfloat16 and adapters in float32 stop at the first product of the two. The shape trace sees
that, and only execution tells where some kernel casts by itself.
"""

from __future__ import annotations

import torch

from ..build.subject import build, default_dtype, failure_of, loaded_dtype
from ..schema.composition import Node
from ..trace.records import Failure
from ..trace.runs import execute, on_device_of
from .bench import Bench
from .value_check import Unanswered


def is_other(bench: Bench) -> bool:
    """Whether in use anything has another dtype than float32."""
    return bool((bench.subject.own_dtypes | {loaded_dtype(bench.job)}) - {torch.float32})


def own_failure(bench: Bench) -> Failure | None:
    """What stops the small model in its own dtypes, adapters added as the library does it; None for nothing.

    Raises Unanswered where the model without adapters stops there, too: this machine cannot tell then.
    """
    subject = build(bench.job, device="cpu")
    if subject.setup_failure is not None:
        return subject.setup_failure
    assert subject.inputs is not None
    inputs = subject.inputs.make(bench.rows, bench.seed)

    def stop(tree: Node | None) -> Failure | None:
        given = on_device_of(subject.model, bench.fitted(tree, inputs))
        try:
            subject.activate(tree)
            with default_dtype(torch.float32):
                execute(subject.model, given, bench.spec.mode, **subject.run_options())
        except Exception as error:
            return failure_of(error, bench.library.package)
        return None

    failure = stop(bench.tree)
    alone = stop(None) if failure is not None else None
    if failure is not None and alone is not None and (alone.kind, alone.site) == (failure.kind, failure.site):
        names = ", ".join(sorted(str(d).removeprefix("torch.") for d in subject.own_dtypes))
        raise Unanswered(f"in {names} the model stops without adapters, too ({alone.kind}: {alone.message})")
    return failure
