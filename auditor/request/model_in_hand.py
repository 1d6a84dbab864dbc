"""A model in hand as an audit request: what `audit_model(model, inputs)` audits."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import fields as fields_of
from typing import Any

from ..errors import UsageError
from ..library.find_library import library_of
from ..library.library import Library
from ..schema.audit_options import AuditOptions
from ..schema.composition import Node, adapter_names, as_block
from ..schema.spec import AuditSpec
from .given_inputs import checked_inputs, sizes_of
from .job import Job
from .model_source import ModelSource

SHRUNK_FROM = 50_000_000
"""Parameters above which a model in hand is not executed as it is, if it can be made small."""
FOLLOWS = ("model", "library", "adapter", "adapters", "head")
"""Fields of a spec that the model tells."""


def job_of_model(model: Any, inputs: Any, chosen: Mapping[str, Any]) -> Job:
    """The job for a composition of a model's adapters (the active one, unless told); audits work on copies.

    `chosen` are fields of a spec and of the options. Raises UsageError for what is neither, when no adapters
    are active, and for inputs or a model that cannot be audited.
    """
    library = _checked(model)
    options, fields = _sorted_out(chosen)
    tree = _tree(library, model, fields.pop("compose", None))
    fields |= {"model": type(model).__name__, "compose": str(as_block(tree))}
    if getattr(model, "is_gradient_checkpointing", False):
        fields.setdefault("gradient_checkpointing", True)
    skipped = library.skipped_layers(model)
    if skipped:
        fields.setdefault("skip_layers", list(skipped))
    given = None
    if inputs is not None:
        given = checked_inputs(model, _with_row_axis(library, model, inputs))
        fields |= sizes_of(model, given, fields)
    fields["adapters"] = dict(_described(library, model, tree))
    cast = fields.get("dtype")
    fields["dtype"] = cast or _dtype_name(model)
    spec = AuditSpec.read(fields)
    source = ModelSource(
        spec.model,
        "model in hand",
        factory=lambda: copied(model, cast, spec.attn),
        model=model,
        inputs=given,
        dtypes=_dtypes(model, cast),
    )
    return Job.of(spec, source, options, library)


def _with_row_axis(library: Library, model: Any, inputs: Any) -> Any:
    """A vector of token ids as a batch of one row, as models with flexible heads read it."""
    if not isinstance(inputs, Mapping) or library.heads is None or library.heads.active(model) is None:
        return inputs
    ids = inputs.get("input_ids")
    if getattr(ids, "ndim", 2) != 1:
        return inputs
    return {name: value[None] if getattr(value, "ndim", 0) == 1 else value for name, value in inputs.items()}


def _checked(model: Any) -> Library:
    """The library whose adapters are in the model. Raises UsageError where nothing can be audited."""
    import torch

    if not isinstance(model, torch.nn.Module):
        raise UsageError("audit_model takes a torch model", why=f"this is {type(model).__name__}")
    if is_compiled(model):
        raise UsageError(
            "the model is compiled",
            why="its operations cannot be followed",
            do="audit the model that was given to torch.compile",
        )
    library = library_of(model)
    if library is None:
        raise _nothing_active()
    return library


def is_compiled(model: Any) -> bool:
    """Whether `torch.compile(model)` made it, or `model.compile()` was called."""
    return hasattr(model, "_orig_mod") or getattr(model, "_compiled_call_impl", None) is not None


def is_large(model: Any) -> bool:
    """Whether executing copies of the model would cost too much, or it has no values."""
    parameters = list(model.parameters())
    return sum(p.numel() for p in parameters) > SHRUNK_FROM or any(p.is_meta for p in parameters)


def copied(model: Any, dtype: str | None = None, attention: str | None = None) -> Any:
    """A copy on the current default device; on meta, no value is copied.

    Raises UsageError where another attention implementation is asked for and the model cannot be switched.
    """
    import torch

    memo: dict[int, Any] = {}
    if torch.get_default_device().type == "meta":
        memo = {id(t): _valueless(t) for t in (*model.parameters(), *model.buffers())}
    twin = copy.deepcopy(model, memo)
    if dtype is not None:
        twin.to(getattr(torch, dtype))
    if attention is not None and attention != getattr(twin.config, "_attn_implementation", None):
        try:
            twin.set_attn_implementation(attention)
        except (AttributeError, ValueError, ImportError) as error:
            why = str(error).splitlines()[0][:160]
            raise UsageError(f"the model cannot be switched to attn={attention!r}", why=why) from error
    return twin


def _valueless(tensor: Any) -> Any:
    """The same on meta."""
    import torch

    empty = torch.empty_like(tensor, device="meta")
    if isinstance(tensor, torch.nn.Parameter):
        return torch.nn.Parameter(empty, requires_grad=tensor.requires_grad)
    return empty


def _sorted_out(chosen: Mapping[str, Any]) -> tuple[AuditOptions, dict[str, Any]]:
    """Options of the audit, and fields of the spec. Raises UsageError for what the model tells itself."""
    names = {f.name for f in fields_of(AuditOptions)}
    for name in chosen:
        if name in FOLLOWS:
            raise UsageError(f"audit_model takes no {name}", why="it follows from the model")
    options = AuditOptions(**{k: v for k, v in chosen.items() if k in names})
    return options, {k: v for k, v in chosen.items() if k not in names and v is not None}


def _tree(library: Library, model: Any, compose: Any) -> Node:
    """The composition that was asked for, as text or as the library's block, or the active one."""
    from .job import written

    if isinstance(compose, str):
        tree: Node = written(compose)
    else:
        block = library.active(model) if compose is None else compose
        if block is None:
            raise _nothing_active()
        try:
            tree = library.tree(block)
        except (AttributeError, KeyError, TypeError) as error:
            why = f"it is {type(block).__name__}"
            raise UsageError(
                "the composition is neither a text nor a block of the library", why=why
            ) from error
    for name in adapter_names(tree):
        if not library.has_adapter(model, name):
            raise UsageError(f"the model has no adapter {name!r}", do="add it before the audit")
    return tree


def _nothing_active() -> UsageError:
    return UsageError(
        "the model has no active adapters",
        do="call adapters.init(model), add adapters and set model.active_adapters first",
    )


def _described(library: Library, model: Any, tree: Node) -> Mapping[str, str]:
    """Adapter -> its configuration, of those whose configuration has a text."""
    found = {}
    for name in adapter_names(tree):
        try:
            found[name] = library.description(model, name)
        except LookupError:
            continue
    return found


def _dtypes(model: Any, cast: str | None) -> Mapping[str, str] | None:
    """Parameter -> dtype; None where all are float32."""
    found = {
        name: cast or str(p.dtype).removeprefix("torch.")
        for name, p in model.named_parameters()
        if p.is_floating_point()
    }
    return found if set(found.values()) - {"float32"} else None


def _dtype_name(model: Any) -> str | None:
    """What most of the model's numbers are in; None for float32, and for what no model is loaded in."""
    from collections import Counter

    counts: Counter[str] = Counter()
    for parameter in model.parameters():
        if parameter.is_floating_point():
            counts[str(parameter.dtype).removeprefix("torch.")] += parameter.numel()
    most = counts.most_common(1)[0][0] if counts else ""
    return most if most in ("bfloat16", "float16") else None
