"""`batch`: data on stdout, the exit code, what is kept of a run that was cut off, and processes that die."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_run import SCRUBBED, Cli

from adapter_audit.auditor.jobs.batch_lines import finished

Lines = list[dict[str, Any]]
Start = Callable[..., subprocess.Popen[str]]
BLOCKS = ("parallel:2", "stack(a,b)", "average(a,b)")
METHODS = ("seq_bn", "lora")
FACTORY = "import os\n\n\ndef dies():\n    os._exit(7)\n"
GATED = """
from adapter_audit.auditor.toys import bert


def waits():
    open("gate").close()  # a named pipe lets nobody pass, an ordinary file does
    return bert()
"""
BEFORE_THE_GATE = 4
"""Specs before the one whose model waits: so many lines are finished when the run is killed."""


def specs_for(model: Path) -> Lines:
    """Compositions of all kinds of verdicts, and lines that are no specs."""
    all_of_them = [
        {"id": f"{method} {compose}", "model": str(model), "compose": compose, "adapter": method}
        for method in METHODS
        for compose in BLOCKS
    ]
    wrong = [
        {"id": "no model", "compose": "parallel:2"},
        {"id": "nested", "model": str(model), "compose": "("},
    ]
    return [*all_of_them[:3], *wrong, *all_of_them[3:]]


def write(file: Path, specs: Lines) -> Path:
    file.write_text("".join(json.dumps(spec) + "\n" for spec in specs))
    return file


def results(text: str) -> Lines:
    """Result lines without what differs from run to run."""
    return [
        {k: v for k, v in json.loads(line).items() if k != "seconds"} for line in text.split("\n") if line
    ]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Starts `batch` and does not wait for it."""

    def call(*arguments: str) -> subprocess.Popen[str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(SCRUBBED)}
        command = [sys.executable, "-m", "adapter_audit.auditor.cli", "batch", *arguments, "--no-cache"]
        return subprocess.Popen(
            command,
            cwd=tmp_path,
            env=environment | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    return call


def test_without_a_file_the_results_are_on_stdout(cli: Cli, bert: Path, tmp_path: Path) -> None:
    average = {"id": "w", "model": str(bert), "compose": "average(a,b)", "adapter": "seq_bn"}
    specs = [{"id": "c", "model": str(bert), "compose": "parallel:2"}, average, {"id": "x"}]
    write(tmp_path / "specs.jsonl", specs)
    done = cli("batch", "specs.jsonl", "--report", "markdown=seen.md")
    assert [r["verdict"] for r in results(done.out)] == ["compatible", "wrong", "unknown"]
    assert done.code == 1
    assert done.lines == ["adapter-audit: 1 of 3 specs could not be audited, their lines say why"]
    assert "average(a,b)" in (tmp_path / "seen.md").read_text()
    assert cli("batch", "specs.jsonl", "--fail-on", "never").code == 0
    assert cli("batch", "specs.jsonl", "--fail-on", "never,unknown=7").code == 7
    assert cli("batch", "specs.jsonl", "--fail-on", "error,unknown=7").code == 1  # findings come first


def test_a_report_beside_results_on_stdout_is_refused_before_anything_runs(cli: Cli, tmp_path: Path) -> None:
    write(tmp_path / "specs.jsonl", [{"id": "a"}])
    for kinds in (("--report", "terminal"), ("--report", "pdf=x.pdf")):
        done = cli("batch", "specs.jsonl", *kinds)
        assert (done.code, done.out, done.loaded, len(done.lines)) == (2, "", (), 1)


def test_a_cut_file_is_continued_behind_its_whole_lines(cli: Cli, bert: Path, tmp_path: Path) -> None:
    twice = {"id": "no model", "model": str(bert), "compose": "stack(a)", "head": "of\u2028two lines"}
    write(tmp_path / "specs.jsonl", [*specs_for(bert)[:6], twice])
    whole = tmp_path / "whole.jsonl"
    assert cli("batch", "specs.jsonl", "-o", "whole.jsonl", "--static-only").code == 0
    lines = whole.read_text().split("\n")
    (tmp_path / "cut.jsonl").write_text("\n".join(lines[:5]) + "\n" + lines[5][:300])
    assert cli("batch", "specs.jsonl", "-o", "cut.jsonl", "--static-only", "--resume").code == 0
    assert results((tmp_path / "cut.jsonl").read_text()) == results(whole.read_text())
    assert len(results(whole.read_text())) == 7


def test_what_counts_as_finished(tmp_path: Path) -> None:
    file = tmp_path / "out.jsonl"
    assert finished(file) == []
    whole = ['{"id": "a", "summary": "two\u2028lines"}', '{"id": "b"}', '{"id": "a"}']
    for rest in ("", "\n\n", '{"id": "c", "verd', '{"verdict": "crash"}\n'):
        file.write_text("\n".join(whole) + "\n" + rest)
        assert finished(file) == list(zip("aba", whole, strict=True))


def test_a_file_of_other_specs_is_not_continued(cli: Cli, bert: Path, tmp_path: Path) -> None:
    write(tmp_path / "specs.jsonl", specs_for(bert)[:2])
    (tmp_path / "out.jsonl").write_text('{"id": "of another run"}\n')
    done = cli("batch", "specs.jsonl", "-o", "out.jsonl", "--resume")
    assert (done.code, done.loaded) == (2, ())
    assert "was not written for these specs" in done.lines[0]
    assert (tmp_path / "out.jsonl").read_text() == '{"id": "of another run"}\n'


@pytest.fixture(scope="module")
def undisturbed() -> Lines:
    """What a whole run gives, once one was made."""
    return []


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("kill", [signal.SIGTERM, signal.SIGKILL], ids=lambda s: s.name)
def test_a_killed_run_loses_no_finished_line(
    cli: Cli, start: Start, tmp_path: Path, bert: Path, undisturbed: Lines, kill: int, jobs: str
) -> None:
    """The run that is resumed ends with the file of an undisturbed one, and no worker is left behind."""
    specs = specs_for(Path("bert"))
    specs.insert(BEFORE_THE_GATE, {"id": "gated", "model": "gated:waits", "compose": "stack(a)"})
    write(tmp_path / "specs.jsonl", specs)
    (tmp_path / "gated.py").write_text(GATED)
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    output = tmp_path / "killed.jsonl"
    process = start("specs.jsonl", "-o", str(output), "--jobs", jobs)
    wait_for(lambda: output.is_file() and output.read_text().count("\n") == BEFORE_THE_GATE)
    children = children_of(process.pid)
    process.send_signal(kill)
    process.wait()
    kept = output.read_text()
    assert [r["id"] for r in results(kept)] == [s["id"] for s in specs[:BEFORE_THE_GATE]]
    wait_for(lambda: not any(Path(f"/proc/{child}").exists() for child in children))

    gate.unlink()
    gate.touch()
    assert cli("batch", "specs.jsonl", "-o", str(output), "--jobs", jobs, "--resume", "--no-cache").code == 1
    assert output.read_text().startswith(kept), "finished lines are not done again"
    if not undisturbed:
        assert cli("batch", "specs.jsonl", "-o", "whole.jsonl", "--no-cache").code == 1
        undisturbed.extend(results((tmp_path / "whole.jsonl").read_text()))
    assert results(output.read_text()) == undisturbed


def test_a_process_that_dies_costs_its_own_line_only(cli: Cli, bert: Path, tmp_path: Path) -> None:
    (tmp_path / "deadly.py").write_text(FACTORY)
    dead = {"id": "dead", "model": "deadly:dies", "compose": "stack(a)"}
    fine = [{"id": f"fine {n}", "model": str(bert), "compose": "stack(a)"} for n in range(3)]
    write(tmp_path / "specs.jsonl", [*fine[:1], dead, *fine[1:]])
    done = cli("batch", "specs.jsonl", "--jobs", "2", "--static-only", "--no-cache")
    found = {r["id"]: (r["verdict"], r["error"]) for r in results(done.out)}
    assert list(found) == ["fine 0", "dead", "fine 1", "fine 2"]
    assert {found[f["id"]] for f in fine} == {("compatible", None)}
    told = "the process died during this audit; run it alone with -vv to see more"
    assert found["dead"] == ("unknown", told)


def children_of(process: int) -> list[str]:
    """Processes that a process has started."""
    return Path(f"/proc/{process}/task/{process}/children").read_text().split()


def wait_for(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    """Poll until something holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)
