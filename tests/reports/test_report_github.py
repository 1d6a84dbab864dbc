"""GitHub annotations: one command a line, whatever the texts hold."""

from __future__ import annotations

import re

import pytest
import report_samples as samples
from hypothesis import given
from hypothesis import strategies as st

from adapter_audit.reports.formats import github
from adapter_audit.reports.report import ReportOptions, render

COMMAND = re.compile(r"^::(error|warning|notice) ((?:\w+=[^,:]*)(?:,\w+=[^,:]*)*)::(.*)$")


def unescaped(text: str) -> str:
    """What the runner makes of it."""
    for code, char in (("%0A", "\n"), ("%0D", "\r"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, char)
    return text


@pytest.mark.parametrize("name", ["crash", "silent", "clean", "hostile"])
def test_every_line_is_one_command(name: str) -> None:
    result = getattr(samples, name)()
    lines = render("github", [result], ReportOptions(declared_at=("a:b,c%.py", 3))).splitlines()
    assert len(lines) == max(1, len(result.findings))
    for line in lines:
        match = COMMAND.match(line)
        assert match, line
        assert "file=a%3Ab%2Cc%25.py,line=3" in match[2]


def test_hostile_text_starts_no_command_and_comes_back() -> None:
    (line,) = render("github", [samples.hostile()]).splitlines()
    match = COMMAND.match(line)
    assert match
    message = unescaped(match[3])
    assert "::error::%0A ]]>" in message
    assert "\r" not in message
    assert "title=AA101 expanded-meets-shared" in match[2]


def test_severity_decides_the_command() -> None:
    first, second = render("github", [samples.crash()]).splitlines()
    assert first.startswith("::error ")
    assert second.startswith("::warning ")
    assert render("github", [samples.clean()]).startswith("::notice title=compatible::")


@given(st.text())
def test_escaping_loses_nothing(text: str) -> None:
    escaped = github._data(text)
    assert "\n" not in escaped
    assert "\r" not in escaped
    assert escaped.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%") == text
