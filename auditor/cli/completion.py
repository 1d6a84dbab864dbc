"""`adapter-audit completion SHELL`: the script that completes commands, options and names; click makes it."""

from __future__ import annotations

import rich_click as click
from click.shell_completion import CompletionItem, get_completion_class

from ..errors import ExitCode

PROGRAM = "adapter-audit"
VARIABLE = "_ADAPTER_AUDIT_COMPLETE"
SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
def completion_command(shell: str) -> int:
    """Print the completion script of a shell.

    bash and zsh: eval "$(adapter-audit completion bash)" in the start-up file of the shell. fish: write it to
    ~/.config/fish/completions/adapter-audit.fish.
    """
    from . import main

    made = get_completion_class(shell)
    if made is None:
        raise click.ClickException(f"click cannot complete in {shell}")
    click.echo(made(main, {}, PROGRAM, VARIABLE).source())
    return int(ExitCode.CLEAN)


def complete_rules(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Ids and names of the shipped rules, in whatever case their beginning is written."""
    from ..source.rule_files import shipped_names

    names = [(word, key) for key, name in shipped_names().items() for word in (key, name)]
    return [
        CompletionItem(word, help=key) for word, key in names if word.lower().startswith(incomplete.lower())
    ]


def complete_models(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Directories, and the ids of the catalogue."""
    from ..request.catalogue import names

    known = [CompletionItem(name) for name in names() if name.startswith(incomplete)]
    return [*known, CompletionItem(incomplete, type="dir")]


def complete_reports(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Kinds of report."""
    from adapter_audit.reports.report import kinds

    return [CompletionItem(kind) for kind in kinds() if kind.startswith(incomplete)]
