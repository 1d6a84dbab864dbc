"""`matrix`: what is asked, in parts, cut off by Ctrl-C and continued; parts are put together by `render`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from cli_run import SCRUBBED, Cli

ASKED = ("matrix", "--models", "bert", "--methods", "seq_bn,lora", "--compose", "stack(a,b),average(a,b)")
STATIC = ("--mode", "forward,train", "--static-only", "--no-cache", "--fail-on", "never")


def lines(file: Path) -> list[dict[str, Any]]:
    found = [json.loads(text) for text in file.read_text().split("\n") if text]
    return [{k: v for k, v in line.items() if k != "seconds"} for line in found]


def test_parts_put_together_are_the_whole(cli: Cli, bert: Path, tmp_path: Path) -> None:
    assert cli(*ASKED, *STATIC, "-o", "whole.jsonl").code == 0
    whole = lines(tmp_path / "whole.jsonl")
    assert [line["id"] for line in whole][:3] == [
        "bert stack(a,b) seq_bn forward",
        "bert average(a,b) seq_bn forward",
        "bert stack(a,b) seq_bn train",
    ]
    texts = (tmp_path / "whole.jsonl").read_text().splitlines(keepends=True)
    names: list[str] = []
    for part in ("1", "2", "3"):
        listed = cli(*ASKED, *STATIC, "--shard", f"{part}/3", "--list").out.splitlines()
        (tmp_path / f"{part}.jsonl").write_text("".join(texts[len(names) : len(names) + len(listed)]))
        names += [json.loads(text)["id"] for text in listed]
    assert names == [line["id"] for line in whole]
    together = cli("render", "1.jsonl", "2.jsonl", "3.jsonl", "--report", "matrix").out
    assert together == cli("render", "whole.jsonl", "--report", "matrix").out


def test_the_specs_can_be_listed_for_batch(cli: Cli, bert: Path, tmp_path: Path) -> None:
    done = cli(*ASKED, "--without", "lora,average*", "--mode", "train", "--list")
    assert (done.code, done.loaded) == (0, ())
    (spec,) = [json.loads(text) for text in done.out.splitlines()]
    assert (spec["adapter"], spec["compose"], spec["mode"]) == ("seq_bn", "stack(a,b)", "train")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--shard", "3/2"), "--shard '3/2' is no part"),
        (("--shard", "first"), "write K/N"),
        (("--mode", "training"), "unknown mode 'training'"),
        (("--methods", "vera*x"), "'vera*x' matches nothing"),
        (("--resume",), "--resume needs --output"),
        (("--executor", "slurm://x:1"), "write dask://HOST:PORT"),
        (("--without", "bert"), "--models names nothing"),
        (("--models", "no/such-model", "--offline"), "unknown model 'no/such-model'"),
    ],
)
def test_wrong_requests_are_one_line(cli: Cli, bert: Path, more: tuple[str, ...], words: str) -> None:
    done = cli(*ASKED, *more)
    assert (done.code, done.out, done.loaded, len(done.lines)) == (2, "", (), 1)
    assert words in done.lines[0]


WAITS = """
from adapter_audit.auditor.toys import bert


def waits():
    open("reached", "w").close()
    import time

    time.sleep(600)
    return bert()
"""


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_ends_with_a_report_of_what_is_done(cli: Cli, bert: Path, tmp_path: Path, jobs: str) -> None:
    (tmp_path / "slow.py").write_text(WAITS)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(SCRUBBED)}
    asked = ("matrix", "--models", "bert,slow:waits", "--methods", "seq_bn", "--compose", "stack(a,b),a")
    more = ("--mode", "forward", "--static-only", "--no-cache", "-o", "out.jsonl", "--fail-on", "never")
    process = subprocess.Popen(
        [sys.executable, "-m", "adapter_audit.auditor.cli", *asked, *more, "--jobs", jobs],
        cwd=tmp_path,
        env=environment | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "COLUMNS": "100"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # background jobs ignore it
    )
    while not ((tmp_path / "reached").exists() and (tmp_path / "out.jsonl").read_text().count("\n") == 2):
        assert process.poll() is None, process.communicate()
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "2 audits: 2 compatible" in out
    assert "interrupted: 2 of 4 audits are done; --resume goes on" in err
    (tmp_path / "slow.py").write_text(WAITS.replace("time.sleep(600)", ""))
    assert cli(*asked, *more, "--resume").code == 0
    assert [line["id"] for line in lines(tmp_path / "out.jsonl")] == [
        f"{model} {compose} seq_bn" for model in ("bert", "slow:waits") for compose in ("stack(a,b)", "a")
    ]
