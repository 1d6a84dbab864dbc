"""The commands `explain` and `rules`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_run import Cli
from click.testing import CliRunner

import adapter_audit.auditor.cli.explain as module
from adapter_audit.auditor.errors import UsageError
from adapter_audit.auditor.project.rule_names import rule_id, rule_ids
from adapter_audit.rules._support.registry import all_rules


def test_explain_prints_the_page_as_markdown_in_a_pipe(cli: Cli) -> None:
    done = cli("explain", "aa101")
    assert done.code == 0
    assert done.out.startswith("# AA101 expanded-meets-shared\n")
    assert "## What it does" in done.out
    assert "\x1b" not in done.out
    assert done.loaded == ()


def test_explain_takes_names_and_several_rules(cli: Cli) -> None:
    done = cli("explain", "no-effect", "AA101")
    assert [line for line in done.out.splitlines() if line.startswith("# ")] == [
        "# AA203 no-effect",
        "# AA101 expanded-meets-shared",
    ]


def test_explain_renders_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    module._show("# Title\n\nsome `code`\n")
    shown = capsys.readouterr().out
    assert "Title" in shown
    assert "# Title" not in shown


def test_rules_lists_every_rule_on_its_line(cli: Cli) -> None:
    done = cli("rules")
    lines = done.out.splitlines()
    assert len(lines) == len(all_rules()) + 1
    for rule, line in zip(all_rules(), lines[1:], strict=True):
        cells = line.split()
        assert cells[:3] == [rule.id, rule.name, rule.severity.value]
        assert cells[-1].endswith(".")


def test_rules_as_json() -> None:
    done = CliRunner().invoke(module.rules_command, ["--json"])
    data = json.loads(done.output)
    assert [entry["id"] for entry in data] == [rule.id for rule in all_rules()]
    assert all(entry["documentation"].startswith(entry["id"]) for entry in data)


def test_names_of_files_are_those_of_the_rules() -> None:
    for rule in all_rules():
        assert rule_id(rule.id.lower()) == rule_id(rule.name) == rule.id


def test_unknown_names() -> None:
    with pytest.raises(UsageError, match="did you mean no-effect"):
        rule_ids(["AA101", "no-efect"])


def test_rule_names_ask_for_no_rule(cli: Cli, tmp_path: Path) -> None:
    code = (
        "import sys; from adapter_audit.auditor.project.rule_names import rule_id; rule_id('no-effect'); "
        "sys.exit(any(name.startswith('adapter_audit.rules') for name in sys.modules))"
    )
    import subprocess
    import sys

    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
