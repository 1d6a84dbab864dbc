"""The caller's own inputs: arguments of a forward, as people have them, checked and measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import UsageError
from ..knowledge.library_names import ADAPTERS, TRANSFORMERS

MADE_UP = ("mask", "batch", "seq_len", "inputs")
"""Fields of a spec that say how inputs are made up."""


def checked_inputs(model: Any, inputs: Any) -> dict[str, Any]:
    """The inputs as a plain dict, without those that are None.

    Raises UsageError where they are no keyword arguments of tensors, or tell no batch size.
    """
    import torch

    if not isinstance(inputs, Mapping):
        raise UsageError(
            "the inputs are keyword arguments of the model's forward",
            why=f"this is {type(inputs).__name__}",
            do="write for example {'input_ids': ids}",
        )
    given = {str(name): value for name, value in inputs.items() if value is not None}
    for name, value in given.items():
        if name in ADAPTERS.context_arguments and isinstance(value, list):
            continue  # the library's own arguments may have a name for each row
        if isinstance(value, (list, tuple)):
            raise UsageError(
                f"the input {name!r} is a {type(value).__name__}, not a tensor",
                do="ask the tokenizer for return_tensors='pt'",
            )
        if not isinstance(value, (torch.Tensor, bool, int, float, str)):
            why = f"rows cannot be taken out of {type(value).__name__}"
            raise UsageError(f"the input {name!r} cannot be used", why=why, do="leave it out")
    rows = rows_in(model, given)
    for name, value in given.items():
        counted = isinstance(value, torch.Tensor) and value.dim() > 0
        if counted and name not in TRANSFORMERS.unbatched_arguments and value.shape[0] not in (rows, 1):
            why = f"{name} has {value.shape[0]} rows where others have {rows}"
            raise UsageError("the inputs have no common batch size", why=why)
    return given


def rows_in(model: Any, given: Mapping[str, Any]) -> int:
    """B, the first dimension of the main input."""
    import torch

    order = (getattr(model, "main_input_name", "input_ids"), *TRANSFORMERS.main_arguments, *given)
    for name in order:
        value = given.get(name)
        if (
            isinstance(value, torch.Tensor)
            and value.dim() > 0
            and name not in TRANSFORMERS.unbatched_arguments
        ):
            return int(value.shape[0])
    raise UsageError("the inputs have no common batch size", why="there is no tensor with rows among them")


def sizes_of(model: Any, given: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """B, S and the kind of padding, as fields of a spec. Raises UsageError when one of them was told, too."""
    for name in MADE_UP:
        if fields.get(name) not in (None, ()):
            raise UsageError(f"{name}= is for inputs that are made up", why="the inputs were given")
    ids = given.get("input_ids", given.get("inputs_embeds"))
    lengths = {"seq_len": int(ids.shape[1])} if ids is not None and ids.dim() > 1 else {}
    return {"batch": rows_in(model, given), "mask": _mask_kind(given.get("attention_mask")), **lengths}


def _mask_kind(mask: Any) -> str:
    """`left` or `right` where any row is padded; a mask of another form may leave out anything."""
    if mask is None:
        return "none"
    if bool((mask != 0).all()):
        return "full"
    return "left" if mask.dim() == 2 and bool((mask[:, 0] == 0).any()) else "right"
