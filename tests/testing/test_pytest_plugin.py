"""The pytest plugin as a project sees it: real runs of pytest in a folder of their own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

BERT = "adapter_audit.auditor.toys:bert"
BROKEN = "adapter_audit.auditor.toys.broken:shifts_states"
CRASHES = {"model": "adapter_audit.auditor.toys:t5", "adapter": "lora[leave_out=[0]]"}
GOOD_AND_BAD = f"""
import pytest
from adapter_audit.auditor.testing import assert_compatible

@pytest.mark.adapter_audit({BERT!r}, "parallel:2")
def test_good(adapter_audit_result):
    assert adapter_audit_result.verdict == "compatible"

@pytest.mark.adapter_audit({CRASHES!r}, "parallel:2")
def test_marked_bad():
    raise SystemExit("not reached")

def test_asserted_bad():
    assert_compatible({CRASHES!r}, "parallel:2")

@pytest.mark.adapter_audit
def test_only_marked():
    pass
"""


def run_pytest(folder: Path, *arguments: str, tests: str = "") -> subprocess.CompletedProcess[str]:
    if tests:
        (folder / "test_own.py").write_text(tests)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "adapter_audit", *arguments],
        cwd=folder,
        env={
            **os.environ,
            "ADAPTER_AUDIT_CACHE": str(folder / "cache"),
            "COLUMNS": "120",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def outcomes(text: str) -> dict[str, str]:
    """Name of a test -> its outcome, from `-rA`."""
    return {
        name: word.lower()
        for word, name in re.findall(r"^(PASSED|FAILED|ERROR) \S+?::(\w+)", text, re.MULTILINE)
    }


@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "-n", "2")], ids=["one process", "xdist"])
def test_a_failure_shows_the_report(tmp_path: Path, workers: tuple[str, ...]) -> None:
    report = ("--adapter-audit-report", "json=all.json", "--adapter-audit-static-only")
    done = run_pytest(tmp_path, "-rA", "--strict-markers", *report, *workers, tests=GOOD_AND_BAD)
    assert outcomes(done.stdout) == {
        "test_good": "passed",
        "test_marked_bad": "error",
        "test_asserted_bad": "failed",
        "test_only_marked": "passed",
    }, done.stdout + done.stderr
    assert len(re.findall(r"E .* CRASH +\S*toys:t5 · parallel:2", done.stdout)) == 2
    assert "AA101 expanded-meets-shared" in done.stdout
    assert "not reached" not in done.stdout
    written = json.loads((tmp_path / "all.json").read_text())
    assert [(r["id"].partition("::")[2], r["verdict"]) for r in written] == [
        ("test_asserted_bad", "crash"),
        ("test_good", "compatible"),
        ("test_marked_bad", "crash"),
    ]
    assert all("--static-only" in skipped["reason"] for r in written for skipped in r["skipped"])
    assert all(r["skipped"] for r in written)


def test_a_run_without_audits_imports_nothing_heavy(tmp_path: Path) -> None:
    heavy = ("torch", "transformers", "adapters", "pydantic", "networkx", "libcst", "jinja2")
    done = run_pytest(
        tmp_path,
        tests=f"""
import sys
def test_light():
    assert "adapter_audit.auditor.testing.pytest_plugin" in sys.modules
    assert [name for name in {heavy!r} if name in sys.modules] == []
""",
    )
    assert done.returncode == 0, done.stdout + done.stderr


MODEL_IN_HAND = f"""
import adapters, pytest, torch
import adapters.composition as ac
from adapter_audit.auditor.testing import Incompatible, assert_compatible
from adapter_audit.auditor.toys import bert
from adapter_audit.auditor.toys.broken import shifts_states

def with_adapters(make):
    model = make()
    adapters.init(model)
    for name in "ab":
        model.add_adapter(name, config="lora")
    model.active_adapters = ac.Parallel("a", "b")
    return model

def test_what_is_active_and_what_is_asked_for():
    model = with_adapters(shifts_states)
    with pytest.raises(Incompatible) as caught:
        assert_compatible(model)
    assert caught.value.result.verdict == "wrong"
    with pytest.raises(Incompatible):
        assert_compatible(model, ac.Parallel("b", "a"))
    assert assert_compatible(model, "average(a,b)", static_only=True).spec["compose"] == "average(a,b)"

def test_own_inputs():
    result = assert_compatible(with_adapters(bert), inputs={{"input_ids": torch.ones(3, 5, dtype=int)}})
    assert result.spec["seq_len"] == 5

def test_level():
    assert assert_compatible({BROKEN!r}, "parallel:2", fail_on="never").verdict == "wrong"
"""


def test_models_in_hand(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, tests=MODEL_IN_HAND)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_error_is_one_line_before_the_first_test(tmp_path: Path) -> None:
    for option, says in (
        ("--adapter-audit-fail-on=sometimes", "says nothing"),
        ("--adapter-audit-report=pdf=x", "there is no report kind 'pdf'"),
        ("--adapter-audit", "no [[tool.adapter-audit.audits]] is declared"),
    ):
        done = run_pytest(tmp_path, option, tests="def test_nothing(): pass")
        assert done.returncode == 4, done.stdout
        assert says in done.stderr
        assert "Traceback" not in done.stderr + done.stdout


DECLARED = f"""
[[tool.adapter-audit.audits]]
name = "good"
model = "{BERT}"
compose = "parallel:2"

[[tool.adapter-audit.audits]]
name = "bad"
model = "{BROKEN}"
compose = "parallel:2"

[[tool.adapter-audit.audits]]
name = "known-bad"
model = "{BROKEN}"
compose = "parallel:2"
expect = "wrong"

[[tool.adapter-audit.audits]]
name = "not-so"
model = "{BERT}"
compose = "parallel:2"
expect = "crash"
"""


def test_declared_audits_are_tests(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(DECLARED)
    done = run_pytest(tmp_path, "--adapter-audit", "-v")
    said = dict(re.findall(r"adapter-audit::(\S+) (PASSED|FAILED)", done.stdout))
    assert said == {"good": "PASSED", "bad": "FAILED", "known-bad": "PASSED", "not-so": "FAILED"}, done.stdout
    assert "WRONG" in done.stdout
    assert "expected crash, but it is compatible" in done.stdout
