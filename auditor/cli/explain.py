"""`adapter-audit explain AA101` or `RESULT.json#2`, and `adapter-audit rules`: what rules, findings say."""

from __future__ import annotations

import inspect
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from ..errors import ExitCode, UsageError
from ..project.rule_names import suggestion
from .completion import complete_rules

if TYPE_CHECKING:
    from adapter_audit.rules.base import Rule

    from ..schema.result import AuditResult, Finding

COLUMNS = ("id", "name", "severity", "invariant", "requires", "summary")


_FINDING = re.compile(r"(?P<file>.+?)#(?P<number>\d+)")


@click.command("explain")
@click.argument(
    "topics", nargs=-1, required=True, metavar="RULE|RESULT.json#N...", shell_complete=complete_rules
)
def explain_command(topics: tuple[str, ...]) -> int:
    """Print the page of a rule, or tell a finding of a saved result step by step.

    RULE is an id (AA101) or a name (expanded-meets-shared). RESULT.json#2 is the second open finding of a
    file that --report json=RESULT.json has written; without a number, the findings are listed.
    """
    _show("\n".join(_told(topic) for topic in topics))
    return int(ExitCode.CLEAN)


def _told(topic: str) -> str:
    """Raises UsageError for what is neither a rule nor a result."""
    found = _FINDING.fullmatch(topic)
    if found:
        return _finding(Path(found["file"]), int(found["number"]))
    if topic.endswith((".json", ".jsonl")):
        return _listed(Path(topic))
    return _page(_rule(topic))


def _open_findings(file: Path) -> list[tuple[AuditResult, Finding]]:
    """In the order of the terminal report."""
    from adapter_audit.reports.report import find
    from adapter_audit.reports.view.prepare import prepare
    from adapter_audit.reports.view.words import open_findings

    from .results import read_results

    shown = [prepare(result, find("terminal"), show_source=True) for result in read_results(file)]
    return [(result, finding) for result in shown for finding in open_findings(result)]


def _finding(file: Path, number: int) -> str:
    from adapter_audit.reports.view.explanation import explanation

    found = _open_findings(file)
    if not 1 <= number <= len(found):
        have = f"it has {len(found)} open findings" if found else "it has no open findings"
        raise UsageError(f"{file} has no finding {number}", why=have)
    result, finding = found[number - 1]
    return explanation(result, finding, _section(finding.rule, "Why is this bad"))


def _listed(file: Path) -> str:
    found = _open_findings(file)
    lines = [
        f"{n}. {f.rule} {f.severity.value}: {' '.join(f.message.split())}"
        for n, (_, f) in enumerate(found, 1)
    ]
    return "\n".join([*lines, "", f"{file}#N tells one of them." if found else "no open findings", ""])


def _section(key: str, heading: str) -> str:
    """A part of a rule's page; empty for a rule that is not known here."""
    from adapter_audit.rules._support.registry import find_rule

    rule = find_rule(key)
    parts = re.split(r"^## (.+)$", rule.documentation() if rule else "", flags=re.MULTILINE)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    return sections.get(heading, "").strip()


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
