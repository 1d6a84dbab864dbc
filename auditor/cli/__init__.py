"""The command line. Commands are loaded when they are called; torch only when an audit starts."""

from __future__ import annotations

import importlib
import os
import sys
from typing import NoReturn

import rich_click as click
from click.exceptions import Abort
from click.shell_completion import CompletionItem

from ..errors import AuditError, ExitCode

COMMANDS = {
    "audit": "adapter_audit.auditor.cli.audit:audit_command",
    "run": "adapter_audit.auditor.cli.run:run_command",
    "batch": "adapter_audit.auditor.cli.batch:batch_command",
    "matrix": "adapter_audit.auditor.cli.matrix:matrix_command",
    "compare": "adapter_audit.auditor.cli.compare:compare_command",
    "bisect": "adapter_audit.auditor.cli.bisect:bisect_command",
    "check": "adapter_audit.auditor.cli.check_saved:check_command",
    "lint": "adapter_audit.auditor.lint.command:lint_command",
    "explain": "adapter_audit.auditor.cli.explain:explain_command",
    "rules": "adapter_audit.auditor.cli.explain:rules_command",
    "render": "adapter_audit.auditor.cli.render:render_command",
    "config": "adapter_audit.auditor.cli.config:config_command",
    "lsp": "adapter_audit.auditor.cli.lsp:lsp_command",
    "completion": "adapter_audit.auditor.cli.completion:completion_command",
}
"""Command name -> where it is."""
DEFAULT = "audit"
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it (128 + SIGINT)."""

click.rich_click.TEXT_MARKUP = "rich"
click.rich_click.STYLE_OPTIONS_PANEL_BOX = "SIMPLE"


class LazyGroup(click.RichGroup):
    """A group whose first word may be left out: `adapter-audit t5-base ...` is an audit."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All command names, in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command when it is asked for."""
        target = COMMANDS.get(cmd_name)
        if target is None:
            return None
        module, _, name = target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names of commands, and what the default command takes as its first word."""
        found = super().shell_complete(ctx, incomplete)
        default = self.get_command(ctx, DEFAULT)
        if default is None or incomplete.startswith("-"):
            return found
        return [*found, *default.params[0].shell_complete(ctx, incomplete)]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default command in front of arguments that name none."""
        completing = ctx.resilient_parsing and not args  # the first word may become a command
        if not completing and (
            not args or (args[0] not in COMMANDS and args[0] not in ("--help", "-h", "--version"))
        ):
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="adapter-audit", prog_name="adapter-audit")
def main() -> None:
    """Audit adapter compositions: will this model run these adapters together, and correctly?

    [bold]adapter-audit MODEL --compose EXPR[/bold] is the audit
    (the command [bold]audit[/bold] may be left out).
    """


def entry() -> NoReturn:
    """Console entry point: expected errors become one line and their exit code."""
    try:
        code = _run()
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read the report has seen enough; nothing may be flushed to it again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ExitCode.CLEAN
    _leave(code)


def _run() -> int:
    try:
        code = main(standalone_mode=False)
        return code if isinstance(code, int) else ExitCode.CLEAN
    except Abort:
        click.echo("adapter-audit: interrupted", err=True)
        return INTERRUPTED
    except click.UsageError as error:
        click.echo(f"adapter-audit: {_one_line(error)}", err=True)
        return ExitCode.USAGE
    except click.ClickException as error:
        click.echo(f"adapter-audit: {error.format_message()}", err=True)
        return ExitCode.USAGE
    except AuditError as error:
        show(error)
        return error.exit_code
    except BrokenPipeError:
        raise
    except Exception as error:
        _internal(error)
        return ExitCode.INTERNAL


def _leave(code: int) -> NoReturn:
    """End the process; with torch loaded at once, since tearing its interpreter down takes half a second."""
    if "torch" not in sys.modules:
        sys.exit(code)
    sys.stderr.flush()
    os._exit(code)


def show(error: AuditError) -> None:
    """An expected error: one line on stderr, for compositions with a caret under the character."""
    click.echo(f"adapter-audit: {error.line}", err=True)
    pointer = getattr(error, "pointer", "")
    if pointer and len(pointer) < 400:
        click.echo(pointer, err=True)
    if _very_verbose():
        import traceback

        traceback.print_exception(error)


def _one_line(error: click.UsageError) -> str:
    where = error.ctx.command_path if error.ctx else "adapter-audit"
    return f"{error.format_message()} Try '{where} --help'."


def _internal(error: Exception) -> None:
    click.echo(
        f"adapter-audit: internal error: {type(error).__name__}: {' '.join(str(error).split())[:300]} "
        "(this is a bug in adapter-audit; run again with -vv for the traceback)",
        err=True,
    )
    if _very_verbose():
        import traceback

        traceback.print_exception(error)


def _very_verbose() -> bool:
    return "-vv" in sys.argv or sys.argv.count("-v") + sys.argv.count("--verbose") > 1
