"""The options that describe one audit, and the spec that they make."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, get_args

import rich_click as click

from ..errors import UsageError
from ..schema.spec import Attention, AuditSpec, Dtype, ExtraInput, Mask, Mode

F = TypeVar("F", bound=Callable[..., Any])


def spec_options(function: F) -> F:
    """--compose, --adapter, --mode and whatever else a spec has."""
    for option in reversed(
        (
            click.option(
                "--compose", metavar="EXPR", help="parallel:5, stack(a,parallel(b,c)), ... or a saved set-up."
            ),
            click.option(
                "--adapter",
                "adapters",
                multiple=True,
                metavar="CONF",
                help="lora[r=8], or a=lora; repeatable.",
            ),
            click.option("--library", metavar="NAME", help="adapters (default) or peft."),
            click.option(
                "--then",
                "history",
                multiple=True,
                metavar="STEP",
                help="What happens to the adapters afterwards: merge, unmerge, set(b), ...; repeatable, peft "
                "only.",
            ),
            click.option("--mode", type=click.Choice(get_args(Mode)), default="forward", show_default=True),
            click.option("--batch", type=click.IntRange(1, 4096), help="B, rows of the caller's batch."),
            click.option("--seq-len", type=click.IntRange(1), help="S, tokens per row."),
            click.option("--mask", type=click.Choice(get_args(Mask)), default="none", show_default=True),
            click.option("--attn", type=click.Choice(get_args(Attention)), help="Attention implementation."),
            click.option("--dtype", type=click.Choice(get_args(Dtype)), help="What the model is loaded in."),
            click.option(
                "--head",
                "heads",
                multiple=True,
                metavar="NAME",
                help="Task head, e.g. SequenceClassification; or one of an adapter, e.g. "
                "a=classification[num_labels=3], repeatable.",
            ),
            click.option(
                "--active-head", metavar="NAMES", help="Active heads, e.g. a,b; default: the adapters'."
            ),
            click.option(
                "--with", "inputs", metavar="NAMES", help=f"Extra inputs: {', '.join(get_args(ExtraInput))}."
            ),
            click.option("--skip-layers", metavar="LAYERS", help="Layers without adapters, e.g. 0,3."),
            click.option("--gradient-checkpointing", is_flag=True),
        )
    ):
        function = option(function)
    return function


def make_spec(model: str, options: dict[str, Any]) -> AuditSpec:
    """The spec that the options describe; raises UsageError."""
    everyone, own = _named_values("--adapter", options["adapters"], "lora[r=4]")
    head, heads = _named_values("--head", options["heads"], "classification[num_labels=3]")
    return AuditSpec.read(
        {
            "model": model,
            "compose": options["compose"],
            "library": options["library"],
            "history": options["history"],
            "adapter": everyone,
            "adapters": own,
            "batch": options["batch"],
            "seq_len": options["seq_len"],
            "mask": options["mask"],
            "mode": options["mode"],
            "attn": options["attn"],
            "head": head,
            "heads": heads,
            "active_head": [n.strip() for n in options["active_head"].split(",")]
            if options["active_head"]
            else None,
            "dtype": options["dtype"],
            "inputs": [n.strip() for n in options["inputs"].split(",") if n.strip()]
            if options["inputs"]
            else [],
            "skip_layers": _layers(options["skip_layers"]),
            "gradient_checkpointing": options["gradient_checkpointing"],
        }
    )


def _named_values(option: str, values: tuple[str, ...], example: str) -> tuple[str | None, dict[str, str]]:
    """`CONF` for all, `name=CONF` for one adapter: an `=` before any bracket or slash names an adapter."""
    everyone, own = None, {}
    for value in values:
        if not value.strip():
            raise UsageError(f"{option} is empty", do=f"write for example {example}")
        name, separator, config = value.partition("=")
        if separator and not set(name) & set("[|/"):
            if not config:
                raise UsageError(
                    f"{option} {value} has no configuration", do=f"write for example a={example}"
                )
            own[name.strip()] = config
        elif everyone is not None:
            raise UsageError(
                f"{option} gives two configurations for all adapters", do="write name=CONF for one"
            )
        else:
            everyone = value
    return everyone, own


def _layers(text: str | None) -> list[int] | None:
    if not text:
        return None
    try:
        return [int(part) for part in text.strip("[]").split(",")]
    except ValueError as error:
        raise UsageError(
            f"--skip-layers {text!r} are not layer numbers", do="write for example 0,3"
        ) from error
