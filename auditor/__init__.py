"""The engine of adapter-audit: `audit(spec)` and `audit_model(model)` are the Python API.

Importing this package imports neither torch nor transformers; the first audit does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .schema.result import AuditResult
    from .schema.spec import AuditSpec

__all__ = ["AuditResult", "AuditSpec", "audit", "audit_model"]


def audit(spec: AuditSpec | Mapping[str, object], **options: Any) -> AuditResult:
    """Audit one composition; `options` are the fields of `options.AuditOptions`.

    Raises AuditError (with `exit_code` and a one-line message) when the request cannot be audited.
    """
    from .jobs.one_audit import audit as run

    return run(spec, **options)


def audit_model(model: Any, inputs: Mapping[str, Any] | None = None, **chosen: Any) -> AuditResult:
    """Audit a model in hand, with the adapters and the composition that are active in it now.

    `inputs` are keyword arguments of its forward, made up when left out. `chosen` are fields of a spec
    (`mode`, `mask`, `attn`, `dtype`, `compose`, ...) and of `AuditOptions`. The model is not changed. Raises
    AuditError, in one line, when it has no active adapters or an argument is wrong.
    """
    from .jobs.one_audit import audit_model as run

    return run(model, inputs, **chosen)


def __getattr__(name: str) -> Any:
    """Load the models (and pydantic) only when they are used: `lint` and `--help` do without."""
    if name == "AuditResult":
        from .schema.result import AuditResult

        return AuditResult
    if name == "AuditSpec":
        from .schema.spec import AuditSpec

        return AuditSpec
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
