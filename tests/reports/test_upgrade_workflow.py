"""The nightly workflow: its audits can be meant, and every break becomes one issue, once."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml
from report_samples import clean, crash, silent

from adapter_audit.auditor.environments.change import subjects
from adapter_audit.auditor.project.settings_file import declared_specs, load_config
from adapter_audit.auditor.request.job import resolved_job
from adapter_audit.auditor.schema.comparison import Comparison, Side, compared
from adapter_audit.auditor.schema.result import Environment
from tools import open_issues

ROOT = Path(__file__).parents[2]
SIDES = (Side(label="a", environment=Environment()), Side(label="adapters 9", environment=Environment()))


def comparison() -> Comparison:
    return compared(*SIDES, [(clean(), crash()), (clean(), crash()), (clean(), silent()), (crash(), clean())])


def test_what_is_audited_every_night_can_be_meant() -> None:
    declared = declared_specs(load_config(ROOT / ".github" / "upgrade-audits.toml"))
    assert len(declared) > 5
    for one in declared:
        assert resolved_job(one.spec).source.config, one.name


def test_the_workflow_compares_packages_that_may_be_changed() -> None:
    text = (ROOT / ".github" / "workflows" / "upgrade.yml").read_text()
    job = yaml.safe_load(text)["jobs"]["compare"]
    candidates = job["strategy"]["matrix"]["candidate"]
    assert {candidate.split(" @ ")[0] for candidate in candidates} <= set(subjects())
    assert any("@main" in candidate for candidate in candidates)
    scripts = "".join(step.get("run", "") for step in job["steps"])
    assert "--config .github/upgrade-audits.toml" in scripts
    assert "${{" not in scripts


def test_one_issue_for_each_cause() -> None:
    made = list(open_issues.issues(comparison()))
    assert len(made) == len({issue.mark for issue in made}) == 2
    first = made[0]
    assert first.title.startswith("adapters 9 breaks 2: AA101 ")
    assert first.mark in first.body
    assert "scores += position" in first.body
    assert "Fixed" not in first.body


def test_what_has_an_issue_gets_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file, asked = tmp_path / "comparison.json", list[tuple[str, ...]]()
    file.write_text(comparison().model_dump_json())
    first, second = open_issues.issues(comparison())

    def gh(*arguments: str) -> str:
        asked.append(arguments)
        return json.dumps([{"body": first.body}]) if arguments[1] == "list" else "https://it\n"

    monkeypatch.setattr(open_issues, "_gh", gh)
    monkeypatch.setattr(sys, "argv", ["open_issues", str(file)])
    assert open_issues.main() == 0
    assert [a[:2] for a in asked] == [("issue", "list"), ("issue", "create")]
    assert second.title in asked[1]
    assert "has an issue: " + first.title in capsys.readouterr().out
