"""`adapter-audit MODEL --compose EXPR`: one audit."""

from __future__ import annotations

from typing import Any, get_args

import rich_click as click

from ..errors import ExitCode, UsageError
from ..spec import Attention, AuditSpec, ExtraInput, Mask, Mode, check_sizes
from .options import exit_code, parsed_reports, report_options, write_reports


@click.command("audit")
@click.argument("model", required=False)
@click.option("--compose", metavar="EXPR", help="parallel:5, stack(a,parallel(b,c)), ... or a saved set-up.")
@click.option("--adapter", "adapters", multiple=True, metavar="CONF", help="lora[r=8], or a=lora; repeatable.")
@click.option("--mode", type=click.Choice(get_args(Mode)), default="forward", show_default=True)
@click.option("--batch", type=click.IntRange(1, 4096), help="B, rows of the caller's batch.")
@click.option("--seq-len", type=click.IntRange(1), help="S, tokens per row.")
@click.option("--mask", type=click.Choice(get_args(Mask)), default="none", show_default=True)
@click.option("--attn", type=click.Choice(get_args(Attention)), help="Attention implementation.")
@click.option("--head", metavar="NAME", help="Task head, e.g. SequenceClassification.")
@click.option("--with", "inputs", metavar="NAMES", help=f"Extra inputs: {', '.join(get_args(ExtraInput))}.")
@click.option("--skip-layers", metavar="LAYERS", help="Layers without adapters, e.g. 0,3.")
@click.option("--gradient-checkpointing", is_flag=True)
@click.option("--static-only", is_flag=True, help="Shapes only, nothing is executed.")
@click.option("--offline", is_flag=True, help="Do not ask the Hub.")
@click.option("--select", metavar="RULES", help="Only these rules.")
@click.option("--ignore", metavar="RULES", help="Not these rules.")
@report_options
@click.option("-v", "--verbose", count=True, help="-vv shows tracebacks.")
@click.option("-q", "--quiet", is_flag=True, help="No report on the terminal, only the exit code.")
def audit_command(model: str | None, **options: Any) -> int:
    """Audit one composition of adapters on one model.

    MODEL is a Hub id, a directory or config.json, or package.module:function.
    """
    if not model or not options["compose"]:
        missing = "MODEL" if not model else "--compose"
        raise UsageError(f"{missing} is missing", do="for example: adapter-audit t5-base --compose parallel:5")
    spec = make_spec(model, options)
    spec.check()
    check_sizes(spec)
    reports = parsed_reports(options["reports"])
    _check_model(spec, offline=options["offline"])
    from ..pipeline import audit

    result = audit(
        spec,
        static_only=options["static_only"],
        offline=options["offline"],
        graph=any(kind in ("html", "graph") for kind, _ in reports),
        select=_names(options["select"]),
        ignore=_names(options["ignore"]),
    )
    if not options["quiet"] or options["reports"]:
        write_reports(
            [result], options["reports"], color=options["color"], show_source=not options["no_source"]
        )
    return int(exit_code([result], options["fail_on"]))


def make_spec(model: str, options: dict[str, Any]) -> AuditSpec:
    """The spec that the options describe; raises UsageError."""
    everyone, own = _adapters(options["adapters"])
    return AuditSpec.read(
        {
            "model": model,
            "compose": options["compose"],
            "adapter": everyone,
            "adapters": own,
            "batch": options["batch"],
            "seq_len": options["seq_len"],
            "mask": options["mask"],
            "mode": options["mode"],
            "attn": options["attn"],
            "head": options["head"],
            "inputs": [n.strip() for n in options["inputs"].split(",") if n.strip()] if options["inputs"] else [],
            "skip_layers": _layers(options["skip_layers"]),
            "gradient_checkpointing": options["gradient_checkpointing"],
        }
    )


def _adapters(values: tuple[str, ...]) -> tuple[str | None, dict[str, str]]:
    """`CONF` for all, `name=CONF` for one: an `=` before any bracket or slash names an adapter."""
    everyone, own = None, {}
    for value in values:
        name, separator, config = value.partition("=")
        if separator and not set(name) & set("[|/"):
            if not config:
                raise UsageError(f"--adapter {value} has no configuration", do="write for example a=lora[r=4]")
            own[name.strip()] = config
        elif everyone is not None:
            raise UsageError("--adapter gives two configurations for all adapters", do="write name=CONF for one")
        else:
            everyone = value
    return everyone, own


def _layers(text: str | None) -> list[int] | None:
    if not text:
        return None
    try:
        return [int(part) for part in text.strip("[]").split(",")]
    except ValueError as error:
        raise UsageError(f"--skip-layers {text!r} are not layer numbers", do="write for example 0,3") from error


def _names(text: str | None) -> frozenset[str]:
    from adapter_audit.rules.registry import find_rule

    names = frozenset(part.strip() for part in (text or "").split(",") if part.strip())
    for name in names:
        if find_rule(name) is None:
            raise UsageError(f"unknown rule {name!r}", do="see adapter-audit rules")
    return names


def _check_model(spec: AuditSpec, *, offline: bool) -> None:
    """Resolve the model before torch is imported, so that a wrong name is answered at once."""
    from ..models import resolve
    from ..pipeline import check_environment

    if ":" not in spec.model:
        resolve(spec.model, offline=offline)
    check_environment()


__all__ = ["ExitCode", "audit_command", "make_spec"]
