"""`assert_compatible`: an audit as an assertion; what fails it is the terminal report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..schema.result import AuditResult

STRICT = "error,unknown"
"""What is not compatible: a finding that is an error, or a question that stays open."""
WIDTH = 100


@dataclass
class Defaults:
    """What holds where a test says nothing; pytest's options set it."""

    fail_on: str = STRICT
    static_only: bool = False
    seen: list[Callable[[AuditResult], None]] = field(default_factory=list)
    """Called with every result, good or bad."""


defaults = Defaults()


class Incompatible(AssertionError):
    """The text is the terminal report of `result`."""

    def __init__(self, result: AuditResult) -> None:
        self.result = result
        super().__init__(report_of(result))


def assert_compatible(
    model_or_spec: Any,
    setup: Any = None,
    inputs: Mapping[str, Any] | None = None,
    *,
    fail_on: str | None = None,
    **chosen: Any,
) -> AuditResult:
    """Audit a composition, and fail with the report when it is not compatible; returns the result.

    `model_or_spec` is a torch model with adapters, a name as on the command line, or a spec. `setup` is the
    composition: a text, or for a model a block of its library; left out, what is active or what the spec
    says. `inputs` are arguments of a model's forward. `chosen` are further fields of a spec, and options of
    `audit`. `fail_on` is as on the command line; by default errors and open questions fail.

    Raises Incompatible (an AssertionError) with the report, and AuditError where nothing can be audited.
    """
    __tracebackhide__ = True
    result = audited(model_or_spec, setup, inputs, chosen)
    hold_to(result, fail_on)
    return result


def hold_to(result: AuditResult, fail_on: str | None = None) -> None:
    """Raise Incompatible for a result that fails at `fail_on`; every result is told first."""
    __tracebackhide__ = True
    from ..project.fail_on import FailOn

    judge = FailOn.read(fail_on or defaults.fail_on)
    for tell in defaults.seen:
        tell(result)
    if judge.code(result):
        raise Incompatible(result)


def audited(
    model_or_spec: Any, setup: Any, inputs: Mapping[str, Any] | None, chosen: Mapping[str, Any]
) -> AuditResult:
    """The audit of whatever was given. Raises AuditError."""
    from ..errors import UsageError
    from ..jobs.one_audit import audit, audit_model
    from ..schema.spec import AuditSpec

    wanted = {"static_only": defaults.static_only, **chosen}
    if not isinstance(model_or_spec, (str, Mapping, AuditSpec)):
        return audit_model(model_or_spec, inputs, compose=setup, **wanted)
    if inputs is not None:
        raise UsageError(
            "inputs= goes with a model in hand", do="a spec says them by mask, batch and seq_len"
        )
    options, fields = _sorted_out(wanted)
    return audit(_spec(model_or_spec, setup) | fields, **options)


def _spec(named: Any, setup: Any) -> dict[str, Any]:
    """The fields of a spec that the arguments say."""
    if isinstance(named, str):
        fields: dict[str, Any] = {"model": named}
    else:
        fields = dict(named) if isinstance(named, Mapping) else named.plain()
    return fields if setup is None else fields | {"compose": setup}


def _sorted_out(chosen: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Options of the audit, and fields of the spec."""
    from ..schema.audit_options import AuditOptions

    names = AuditOptions.__dataclass_fields__.keys()
    options = {name: value for name, value in chosen.items() if name in names}
    return options, {name: value for name, value in chosen.items() if name not in names}


def report_of(result: AuditResult) -> str:
    """The terminal report, without colour."""
    from adapter_audit.reports.report import ReportOptions, render

    return render("terminal", [result], ReportOptions(width=WIDTH))
