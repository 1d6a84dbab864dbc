"""The GitHub action: its scripts are run here with a stand-in for the tool."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]
(AUDIT,) = [step for step in STEPS if step.get("id") == "audit"]
STAND_IN = """#!/usr/bin/env bash
printf '%s\\n' "$@" >arguments.txt
for word in "$@"; do case "$word" in markdown=*) echo '# summary' >"${word#markdown=}" ;; esac; done
exit "${STAND_IN_STATUS:-0}"
"""


def run(
    folder: Path, arguments: str, declared_at: str = "", status: int = 0
) -> subprocess.CompletedProcess[str]:
    tool = folder / "bin" / "adapter-audit"
    tool.parent.mkdir(exist_ok=True)
    tool.write_text(STAND_IN)
    tool.chmod(0o755)
    environment = {
        "PATH": f"{tool.parent}:{os.environ['PATH']}",
        "ARGUMENTS": arguments,
        "FAIL_ON": "error",
        "DECLARED_AT": declared_at,
        "OUTPUT": "out put",
        "GITHUB_OUTPUT": str(folder / "outputs"),
        "GITHUB_STEP_SUMMARY": str(folder / "summary"),
        "GITHUB_REPOSITORY": "me/repo",
        "GITHUB_WORKFLOW_REF": "me/repo/.github/workflows/audit.yml@refs/heads/main",
        "STAND_IN_STATUS": str(status),
    }
    return subprocess.run(
        ["bash", "-c", AUDIT["run"]], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def given(folder: Path) -> list[str]:
    return (folder / "arguments.txt").read_text().splitlines()


def test_arguments_are_split_as_in_a_shell_and_nothing_in_them_runs(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        "t5-base --adapter 'lora[leave_out=[0, 1]]' --head \"a b\" $(touch bad) `touch bad`;touch bad",
    )
    assert done.returncode == 0, done.stderr
    words = given(tmp_path)
    assert words[:5] == ["t5-base", "--adapter", "lora[leave_out=[0, 1]]", "--head", "a b"]
    assert "$(touch" in words
    assert not (tmp_path / "bad").exists()


def test_the_declaring_line_is_found_in_the_workflow(tmp_path: Path) -> None:
    workflow = tmp_path / ".github" / "workflows" / "audit.yml"
    workflow.parent.mkdir(parents=True)
    workflow.write_text("jobs:\n  x:\n          arguments: t5-base --compose parallel:5\n")
    run(tmp_path, "t5-base --compose parallel:5")
    words = given(tmp_path)
    assert words[words.index("--declared-at") + 1] == ".github/workflows/audit.yml:3"


@pytest.mark.parametrize(
    ("declared", "expected"), [("a.py:7", "a.py:7"), ("", ".github/workflows/audit.yml:1")]
)
def test_the_declaring_line_can_be_given_or_missing(tmp_path: Path, declared: str, expected: str) -> None:
    run(tmp_path, "t5-base", declared)
    words = given(tmp_path)
    assert words[words.index("--declared-at") + 1] == expected


@pytest.mark.parametrize("status", [0, 1, 3])
def test_reports_outputs_and_exit_code_arrive(tmp_path: Path, status: int) -> None:
    done = run(tmp_path, "t5-base", status=status)
    assert done.returncode == status
    assert f"exit-code={status}\n" in (tmp_path / "outputs").read_text()
    assert (tmp_path / "summary").read_text() == "# summary\n"
    kinds = {word.split("=")[0] for word in given(tmp_path) if "=out put/audit." in word}
    assert kinds == {"html", "sarif", "json", "markdown", "junit"}


@pytest.mark.parametrize(
    ("requirements", "pins"), [("adapters==1.2.0", "torch==2.0\n"), ("torch==2.9 x", "")]
)
def test_torch_is_pinned_unless_the_caller_chose_it(tmp_path: Path, requirements: str, pins: str) -> None:
    (install,) = [step for step in STEPS if step.get("name") == "Install adapter-audit"]
    python = tmp_path / "python"
    python.write_text('#!/usr/bin/env bash\nprintf "%s\\n" "$@" >pip.txt\n')
    python.chmod(0o755)
    (tmp_path / "constraints.txt").write_text("torch==2.0\nadapters==1.3.0\n")
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "REQUIREMENTS": requirements,
        "GITHUB_ACTION_PATH": str(tmp_path),
        "RUNNER_TEMP": str(tmp_path),
    }
    subprocess.run(["bash", "-c", install["run"]], cwd=tmp_path, env=environment, check=True)
    words = (tmp_path / "pip.txt").read_text().splitlines()
    assert words[-1 - len(requirements.split()) :] == [f"{tmp_path}[models]", *requirements.split()]
    assert (tmp_path / "adapter-audit-pins.txt").read_text() == pins


def test_no_script_holds_an_input() -> None:
    for step in STEPS:
        assert "${{" not in step.get("run", "")


def test_every_input_and_output_is_documented_and_used() -> None:
    page = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    text = (ROOT / "action.yml").read_text(encoding="utf-8")
    for name in (*ACTION["inputs"], *ACTION["outputs"]):
        assert f"`{name}`" in page, name
    for name in ACTION["inputs"]:
        assert re.search(rf"inputs\.{re.escape(name)}\b", text.split("runs:")[1]), name


def test_every_example_in_the_page_is_valid_yaml() -> None:
    page = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    examples = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert len(examples) >= 5
    for example in examples:
        assert yaml.safe_load(example), example


def test_every_kind_of_report_is_in_the_page() -> None:
    from adapter_audit.reports.report import kinds

    page = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    own = set(kinds()) - {"graph", "graphml"}
    assert [kind for kind in own if f"| `{kind}` |" not in page] == []
