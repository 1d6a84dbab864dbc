"""What is wrong with a request, as far as files tell: torch and the audited libraries are not imported."""

from __future__ import annotations

from ..library.method_check import check_config
from ..schema.composition import adapter_names
from ..schema.spec import AuditSpec
from .model_source import ModelSource
from .position_table import check_length


def preflight(spec: AuditSpec, source: ModelSource) -> None:
    """Raise LibraryRefusal for a wrong adapter configuration, UsageError for a sequence without positions.

    A function that makes the model may have registered methods of its own: nothing is said about it here.
    """
    if source.config is None:
        return
    for config in dict.fromkeys(spec.method_of(name) for name in adapter_names(spec.composition())):
        check_config(config)
    check_length(spec, source.config)
