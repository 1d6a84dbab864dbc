"""`adapter-audit explain AA101` and `adapter-audit rules`: what the rules are about."""

from __future__ import annotations

import inspect
import json
import sys
from typing import TYPE_CHECKING, Any

import rich_click as click

from ..errors import ExitCode, UsageError
from ..project.rule_names import suggestion

if TYPE_CHECKING:
    from adapter_audit.rules.base import Rule

COLUMNS = ("id", "name", "severity", "invariant", "requires", "summary")


@click.command("explain")
@click.argument("rules", nargs=-1, required=True, metavar="RULE...")
def explain_command(rules: tuple[str, ...]) -> int:
    """Print the page of a rule: what it finds, why that is bad, an example, and what to do.

    RULE is an id (AA101) or a name (expanded-meets-shared).
    """
    _show("\n".join(_page(_rule(key)) for key in rules))
    return int(ExitCode.CLEAN)


@click.command("rules")
@click.option("--json", "as_json", is_flag=True, help="As JSON, with the pages.")
def rules_command(as_json: bool) -> int:
    """List all rules, those of plug-ins too."""
    from adapter_audit.rules._support.registry import all_rules

    if as_json:
        data = [_facts(rule) | {"documentation": rule.documentation()} for rule in all_rules()]
        click.echo(json.dumps(data, indent=2))
    elif sys.stdout.isatty():
        _table([_facts(rule) for rule in all_rules()])
    else:
        _columns([_facts(rule) for rule in all_rules()])
    return int(ExitCode.CLEAN)


def _rule(key: str) -> type[Rule]:
    from adapter_audit.rules._support.registry import find_rule

    rule = find_rule(key)
    if rule is None:
        raise UsageError(f"unknown rule {key!r}", do=suggestion(key))
    return rule


def _page(rule: type[Rule]) -> str:
    """The rule's page as Markdown."""
    title, _, rest = rule.documentation().partition("\n")
    facts = _facts(rule)
    about = ", ".join(f"{name} {facts[name]}" for name in ("severity", "invariant", "requires"))
    return f"# {title.strip()}\n\n{about}\n\n{rest.strip()}\n\n{facts['url']}\n"


def _facts(rule: type[Rule]) -> dict[str, Any]:
    from adapter_audit.rules.base import DOCS_URL

    return {
        "id": rule.id,
        "name": rule.name,
        "severity": rule.severity.value,
        "invariant": rule.invariant.value,
        "requires": rule.requires,
        "summary": inspect.cleandoc(rule.__doc__ or "").partition("\n")[0],
        "url": f"{DOCS_URL}{rule.id.lower()}/",
    }


def _show(markdown: str) -> None:
    """Rendered on a terminal, as it is in a pipe."""
    if not sys.stdout.isatty():
        click.echo(markdown, nl=False)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console()
    console.print(Markdown(markdown), width=min(console.width, 100))


def _table(rows: list[dict[str, Any]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in COLUMNS:
        table.add_column(name, no_wrap=name in ("id", "severity"), overflow="fold")
    for row in rows:
        table.add_row(*(row[name] for name in COLUMNS))
    Console().print(table)


def _columns(rows: list[dict[str, Any]]) -> None:
    """One line a rule, whatever the width: for grep."""
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in COLUMNS[:-1]}
    for row in [{name: name for name in COLUMNS}, *rows]:
        cells = [row[name].ljust(widths[name]) for name in COLUMNS[:-1]]
        click.echo("  ".join([*cells, row[COLUMNS[-1]]]))
