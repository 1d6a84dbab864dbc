"""`adapter-audit lsp`: started by editors."""

from __future__ import annotations

import rich_click as click

from ..errors import ExitCode, UsageError


@click.command("lsp")
@click.option("--select", metavar="RULES", help="Only these source rules.")
@click.option("--ignore", metavar="RULES", help="Not these source rules.")
def lsp_command(select: str | None, ignore: str | None) -> int:
    """Serve an editor: findings of `lint` as diagnostics, its fixes as actions, over stdin and stdout.

    Needs pygls: pip install 'adapter-audit[lsp]'. torch is not imported.
    """
    from ..lint.engine import choose

    rules = choose(_names(select), _names(ignore))
    try:
        from ..lsp.server import serve
    except ImportError as error:
        raise UsageError(
            "adapter-audit lsp needs pygls", why=str(error), do="pip install 'adapter-audit[lsp]'"
        ) from error
    serve(rules)
    return int(ExitCode.CLEAN)


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())
