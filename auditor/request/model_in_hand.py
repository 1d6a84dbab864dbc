"""A model in hand as an audit request: what `audit_model(model, inputs)` audits."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from ..errors import UsageError
from ..library.find_library import library_of
from ..schema.audit_options import AuditOptions
from ..schema.composition import as_block
from ..schema.spec import AuditSpec
from .job import Job
from .model_source import ModelSource

PROBE_LIMIT = 50_000_000
"""Parameters up to which a model in hand is executed; a larger one is judged by its shapes."""


def job_of_model(model: Any, inputs: Mapping[str, Any] | None, options: AuditOptions) -> Job:
    """The job for the composition that is active in `model`; audits work on copies of it.

    Raises UsageError when no adapters are active, or when `inputs` have no common batch size.
    """
    library = library_of(model)
    block = library.active(model) if library is not None else None
    if library is None or block is None:
        raise UsageError(
            "the model has no active adapters",
            do="add adapters with adapters or peft and make them active first",
        )
    told = library.told_in(inputs or {})
    name, tree = type(model).__name__, as_block(library.tree(block) if told is None else told)
    fields: dict[str, Any] = {"model": name, "compose": str(tree)}
    skipped = library.skipped_layers(model)
    if skipped:
        fields["skip_layers"] = list(skipped)
    if inputs is not None:
        fields |= _sizes(inputs)
    source = ModelSource(
        name,
        "model in hand",
        factory=lambda: copy.deepcopy(model),
        in_hand=True,
        inputs=_kept(inputs, library.call_arguments(tree, 0)) if inputs is not None else None,
    )
    return Job.of(AuditSpec.read(fields), source, options, library)


def _kept(inputs: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs without what tells the composition."""
    return {name: value for name, value in inputs.items() if name not in told}


def is_large(model: Any) -> bool:
    """Whether executing copies of the model would cost too much."""
    return bool(sum(p.numel() for p in model.parameters()) > PROBE_LIMIT)


def _sizes(inputs: Mapping[str, Any]) -> dict[str, int]:
    import torch

    tensors = [v for v in inputs.values() if isinstance(v, torch.Tensor) and v.dim()]
    rows = {int(t.shape[0]) for t in tensors}
    if len(rows) != 1:
        raise UsageError(
            "the inputs have no common batch size", why=f"first dimensions: {sorted(rows) or 'none'}"
        )
    ids = inputs.get("input_ids", inputs.get("inputs_embeds"))
    lengths = {"seq_len": int(ids.shape[1])} if ids is not None and ids.dim() > 1 else {}
    return {"batch": rows.pop(), **lengths}
