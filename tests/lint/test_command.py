"""The command as a user meets it: output, exit codes, bad input, and what it imports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from adapter_audit.auditor.errors import UsageError
from adapter_audit.auditor.lint import run
from adapter_audit.auditor.lint.command import lint_command
from adapter_audit.auditor.schema.result import AuditResult

BAD = """class ToyWithAdapters(ToyAdaptersMixin, Toy):
    def forward(self, hidden_states):
        bsz = hidden_states.shape[0]
        q = self.q(hidden_states)
        return q.view(bsz, -1, 4)
"""
GOOD = BAD.replace("q.view(bsz", "q.view(q.shape[0]")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lint(*arguments: str) -> Result:
    return CliRunner().invoke(lint_command, arguments, standalone_mode=False)


def test_finding_is_one_line_and_exit_code_1(folder: Path) -> None:
    (folder / "bad.py").write_text(BAD)
    result = lint(".")
    assert result.return_value == 1
    assert result.stdout == (
        "bad.py:5:18: AA601 [*] `bsz` has the batch size of `hidden_states` (line 3), but is used to reshape "
        "`q`, whose rows `self.q(...)` (line 4) may replicate for Parallel; read the size from that tensor\n"
    )
    assert result.stderr == "adapter-audit: 1 file checked: 1 found, 1 fixable with --fix\n"


def test_clean_is_silent_on_stdout(folder: Path) -> None:
    (folder / "good.py").write_text(GOOD)
    result = lint("good.py")
    assert (result.return_value, result.stdout) == (0, "")
    assert lint("-q", "good.py").stderr == ""


def test_fix(folder: Path) -> None:
    (folder / "bad.py").write_text(BAD)
    result = lint("--fix", "bad.py")
    assert (result.return_value, result.stdout) == (0, "")
    assert "1 fixed" in result.stderr
    assert (folder / "bad.py").read_text() == GOOD


def test_one_bad_file_is_one_line_and_the_others_are_checked(folder: Path) -> None:
    (folder / "bad.py").write_text(BAD)
    (folder / "syntax.py").write_text("def broken(:\n")
    (folder / "bytes.py").write_bytes(b"x = '\xff\xfe'\n")
    (folder / "nul.py").write_bytes(b"x = 1\0\n")
    (folder / "coding.py").write_text("# coding: no-such-thing\n")
    (folder / "deep.py").write_text("x = " + "(" * 5000 + ")" * 5000)
    result = lint(".", "missing.py", "no/such/folder")
    assert result.return_value == 2
    assert result.stdout.count("\n") == 1
    assert "bad.py:5" in result.stdout
    lines = result.stderr.splitlines()
    for name in ("syntax.py", "bytes.py", "nul.py", "coding.py", "deep.py", "missing.py", "no/such/folder"):
        assert (
            len([line for line in lines if line.startswith(f"adapter-audit: {name}: cannot be checked: ")])
            == 1
        )
    assert len(lines) == 8
    assert "line 1" in next(line for line in lines if "syntax.py" in line)


def test_deep_but_valid_code_is_one_line(folder: Path) -> None:
    (folder / "elif.py").write_text("if x: pass\n" + "elif x: pass\n" * 3000)
    (folder / "sum.py").write_text(BAD.replace("bsz, -1", "bsz" + " + 1" * 3000))
    (folder / "bad.py").write_text(BAD)
    result = lint(".")
    assert result.return_value in (1, 2)
    assert result.stdout.count("\n") == 1
    assert len(result.stderr.splitlines()) <= 3


def test_class_in_a_branch_is_checked(folder: Path) -> None:
    (folder / "bad.py").write_text("if flag:\n" + "".join(f"    {line}\n" for line in BAD.splitlines()))
    assert lint(".").stdout.startswith("bad.py:6:22: AA601")


def test_hostile_file_name_stays_one_line(folder: Path) -> None:
    (folder / "bad\nname\x1b[31m.py").write_text(BAD)
    result = lint(".")
    assert result.stdout.count("\n") == 1
    assert "\x1b" not in result.stdout
    assert lint(".", "--format", "github").stdout.count("\n") == 1


@pytest.mark.parametrize("option", ["--select", "--ignore"])
def test_unknown_rule_names_the_nearest(folder: Path, option: str) -> None:
    result = lint(option, "stale-batch-sise", ".")
    assert isinstance(result.exception, UsageError)
    assert (
        result.exception.line == "'stale-batch-sise' is not a source rule; did you mean 'stale-batch-size'?"
    )


def test_select_and_ignore(folder: Path) -> None:
    (folder / "bad.py").write_text(BAD)
    assert lint("--select", "AA602,AA603", ".").return_value == 0
    assert lint("--select", "aa60", ".").return_value == 1
    assert lint("--select", "AA60", "--ignore", "stale-batch-size", ".").return_value == 0


def test_json_is_the_result_contract(folder: Path) -> None:
    (folder / "bad.py").write_text(BAD)
    result = AuditResult.model_validate(json.loads(lint("--format", "json", ".").stdout))
    assert result.verdict.value == "wrong"
    assert (result.findings[0].primary.file, result.findings[0].primary.line) == ("bad.py", 5)
    (folder / "bad.py").write_text("(")
    result = AuditResult.model_validate(json.loads(lint("--format", "json", ".").stdout))
    assert result.verdict.value == "unknown"
    assert len(result.unknowns) == 1


def test_github_annotation_and_sarif(folder: Path) -> None:
    (folder / "a,b.py").write_text(BAD)
    start = "::error file=a%2Cb.py,line=5,col=18,title=AA601 stale-batch-size::"
    assert lint("--format", "github", ".").stdout.startswith(start)
    sarif = json.loads(lint("--format", "sarif", ".").stdout)
    assert sarif["runs"][0]["results"][0]["ruleId"] == "AA601"


def test_folders_that_are_skipped_and_named_anyway(folder: Path) -> None:
    for name in (".git", "__pycache__", "node_modules", "env"):
        (folder / name).mkdir()
        (folder / name / "bad.py").write_text(BAD)
    (folder / "env" / "pyvenv.cfg").touch()
    assert "0 files checked" in lint(".").stderr
    assert "1 file checked" in lint("env").stderr
    assert "1 file checked" in lint("env/bad.py", "env", "env/../env/bad.py").stderr


def test_same_findings_on_one_and_on_three_processes(folder: Path) -> None:
    for index in range(150):
        (folder / f"m{index:03}.py").write_text(BAD if index % 3 else GOOD)
    one, three = run([folder], jobs=1), run([folder], jobs=3)
    assert [(p, f.line) for p, f in one.flaws] == [(p, f.line) for p, f in three.flaws]
    assert len(one.flaws) == 100


def test_latent_flaws_are_counted_and_shown_on_request(folder: Path) -> None:
    package = folder / "adapters"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "composition.py").write_text('SUPPORTED_MODELS = {Parallel: ["toy"]}\n')
    text = "from transformers.models.{}.modeling_x import Toy\n" + BAD
    (package / "modeling.py").write_text(text.format("toy"))
    assert lint(".").return_value == 1
    (package / "modeling.py").write_text(text.format("other_toy"))
    from adapter_audit.auditor.lint import reachable

    reachable._allowed_types.cache_clear()
    result = lint(".")
    assert (result.return_value, result.stdout) == (0, "")
    assert "1 in code that no Parallel reaches" in result.stderr
    assert "[latent: this release refuses Parallel for other-toy]" in lint("--latent", ".").stdout


def test_imports_neither_torch_nor_libraries_it_reads_about(folder: Path) -> None:
    (folder / "bad.py").write_text(BAD)
    program = (
        "import sys\nfrom adapter_audit.auditor.lint.command import lint_command\n"
        "lint_command.main(['bad.py'], standalone_mode=False)\n"
        "heavy = {'torch', 'transformers', 'adapters', 'numpy', 'libcst', 'networkx', 'jinja2'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert done.stdout.startswith("bad.py:5:18: AA601")
