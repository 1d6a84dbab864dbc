"""Whether an error is the composition's: where it came out, and whether the model has it without adapters."""

from __future__ import annotations

import traceback
import warnings
from typing import TYPE_CHECKING

from ..source.source_files import relative_file
from .model_call import ModelCall

if TYPE_CHECKING:
    from ..schema.result import AuditResult, Location

Place = tuple[str, int]
"""File below site-packages, line."""
ROLES = ("symptom", "raised-at")
"""What a related place must be to be where a run stops."""


def dies_without_adapters(call: ModelCall, error: BaseException) -> bool:
    """Whether the model stops in the same way, at the same line, when no adapter is active.

    The model is run once more, with the inputs of the call; afterwards it is set up as before.
    """
    import torch

    from ..library.find_library import library_of

    library = library_of(call.model)
    if library is None:
        return False
    library.quiet()
    active, skipped = library.active(call.model), library.skipped_layers(call.model)
    library.activate(call.model, None, None)
    try:
        with torch.no_grad(), library.outside_contexts(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they are not the script's
            call.model(**call.inputs)
    except Exception as other:
        return type(other) is type(error) and stopped_at(other) == stopped_at(error)
    finally:
        if active is not None:
            library.activate(call.model, library.tree(active), skipped or None)
    return False


def stopped_at(error: BaseException) -> Place | None:
    """The innermost line of model code."""
    frames = reversed(traceback.extract_tb(error.__traceback__))
    places = ((relative_file(frame.filename), frame.lineno or 0) for frame in frames)
    return next(((file, line) for file, line in places if file is not None), None)


def explains(result: AuditResult, error: BaseException) -> bool:
    """Whether an error that the audit found stops the run at the line where the script's error came out."""
    place = stopped_at(error)
    found = [f for f in result.findings if f.status == "open" and f.severity.value == "error"]
    return any(
        place == _place(location)
        for finding in found
        for location in (finding.primary, *(r for r in finding.related if r.role in ROLES))
    )


def _place(location: Location) -> Place:
    return location.file or "", location.line or 0
