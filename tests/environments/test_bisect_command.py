"""`bisect` as its users call it, on an index without a network and with audits that are made up."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from fake_index import FakeIndex

from adapter_audit.auditor.cli import bisect
from adapter_audit.auditor.environments.overlays import Overlay
from adapter_audit.auditor.errors import UsageError
from adapter_audit.auditor.jobs.batch_lines import Line
from adapter_audit.auditor.schema.result import AuditResult, Finding, Location
from adapter_audit.auditor.schema.verdicts import Confidence, Invariant, Severity, Verdict

RELEASES = ("0.2.2", "1.0.0", "1.0.1", "1.1.0", "1.2.0", "1.3.0")
Run = Callable[..., Result]


def finding(rule: str) -> Finding:
    return Finding(
        rule=rule,
        name="a-name",
        invariant=Invariant.LANES,
        severity=Severity.ERROR,
        confidence=Confidence.CONFIRMED,
        message="m",
        primary=Location(file="f.py", line=7, code="x = 1"),
        explanation="Published as issue 744.",
        verdict=Verdict.CRASH,
    )


def audited(release: str) -> AuditResult:
    """1.0.1 mends AA103, and 1.2.0 brings AA201."""
    if release == "1.1.0":
        return AuditResult(verdict=Verdict.UNKNOWN, spec={}, error="the model is unknown")
    rule = "AA103" if release < "1.0.1" else "AA201" if release >= "1.2.0" else ""
    verdict = Verdict.CRASH if rule else Verdict.COMPATIBLE
    return AuditResult(verdict=verdict, spec={}, findings=(finding(rule),) if rule else ())


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    index = FakeIndex(*RELEASES, missing=["adapters==1.2.0"])
    monkeypatch.setattr(bisect, "installer", lambda: index)

    def audits(overlay: Overlay, lines: Sequence[Line], *_: Any, **__: Any) -> list[AuditResult]:
        assert json.loads(lines[0].text)["compose"] == "parallel:2"
        return [audited(overlay.label.removeprefix("adapters "))]

    monkeypatch.setattr(bisect, "audits_in", audits)
    fixed = ("bert-base-uncased", "--compose", "parallel:2", "--no-config", "--cache-dir", str(tmp_path))
    return lambda *more: CliRunner().invoke(bisect.bisect_command, [*fixed, *more], standalone_mode=False)


def test_a_finding_that_went(run: Run) -> None:
    done = run("--to", "1.0.1")
    assert done.return_value == 0
    assert "It went with adapters 1.0.1." in done.stdout
    assert "AA103 a-name at f.py:7" in done.stdout
    assert "issue 744" in done.stdout
    assert "adapter-audit: trying adapters 1.0.1" in done.stderr


def test_a_finding_that_came_and_what_cannot_be_told(run: Run) -> None:
    done = run("--rule", "AA201", "--quiet", "--report", "json")
    found = json.loads(done.stdout)
    assert (found["change"], found["last"], found["first"]) == ("came", "adapters 1.0.1", "adapters 1.3.0")
    assert found["between"] == ["adapters 1.1.0", "adapters 1.2.0"]
    troubles = {trial["label"]: trial["trouble"] for trial in found["trials"] if trial["trouble"]}
    assert troubles["adapters 1.1.0"] == "the model is unknown"
    assert troubles["adapters 1.2.0"].startswith("cannot be installed here: ")
    assert done.stderr == ""


def test_nothing_came_or_went(run: Run) -> None:
    done = run("--to", "1.0.0")
    assert "Nothing comes or goes: all that could be tried of adapters say the same." in done.stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--package", "numpy"), "--package numpy is none of "),
        (("--checkout", "."), "--checkout needs --from"),
        (("--from", "2.0"), "there are not two releases of adapters"),
        (("--rule", "AA000"), "AA000"),
    ],
)
def test_wrong_requests_are_one_line(run: Run, options: tuple[str, ...], words: str) -> None:
    error = run(*options).exception
    assert isinstance(error, UsageError)
    assert words in error.line
