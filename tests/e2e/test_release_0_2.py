"""Audits with release 0.2.2 of `adapters`: a published bug is found, what it does not know is one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from library_releases import environment_with, folders_with

RELEASE = "0.2.2"
TOYS = "adapter_audit.auditor.toys"
NO_INDEX = {"HF_HUB_OFFLINE": "1", "http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
"""The release asks AdapterHub when a name is new to it: here nobody answers."""

pytestmark = pytest.mark.parametrize("folder", folders_with(RELEASE))


def test_llama_that_lost_its_causal_attention(folder: Path) -> None:
    result = audited(folder, f"{TOYS}:llama", "--compose", "stack(a)", "--adapter", "seq_bn")
    (finding,) = result["findings"]
    assert (result["verdict"], result["environment"]["adapters"]) == ("wrong", RELEASE)
    assert (finding["rule"], finding["primary"]["line"]) == ("AA204", 316)
    assert finding["primary"]["file"] == "adapters/models/llama/modeling_llama.py"
    assert "is_causal is False, and was True before" in finding["message"]
    assert "issue 721" in finding["explanation"]


def test_llama_with_padding_has_a_mask(folder: Path) -> None:
    options = ("--compose", "stack(a)", "--adapter", "seq_bn", "--mask", "right")
    assert audited(folder, f"{TOYS}:llama", *options)["verdict"] == "compatible"


@pytest.mark.parametrize(
    ("options", "verdict"),
    [
        (
            ("bert", "--compose", "parallel:2", "--adapter", "lora[r=2]|seq_bn[reduction_factor=4]"),
            "compatible",
        ),
        (("t5", "--compose", "parallel:2", "--adapter", "lora[r=2]"), "crash"),
        (("bert", "--compose", "average(a,b)", "--adapter", "seq_bn"), "wrong"),
    ],
)
def test_options_of_methods_need_no_index(folder: Path, options: tuple[str, ...], verdict: str) -> None:
    model, *more = options
    assert audited(folder, f"{TOYS}:{model}", *more)["verdict"] == verdict


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ("--compose", "multitask(a,b)"),
            "the installed adapters release has no MultiTask; upgrade adapters",
        ),
        (("--compose", "stack(a)", "--adapter", "vera"), "'vera' is not an adapter configuration"),
        (
            ("--compose", "stack(a)", "--adapter", "lora[use_dora=True]"),
            "unexpected keyword argument 'use_dora'",
        ),
    ],
)
def test_what_the_release_does_not_know_is_one_line(
    folder: Path, options: tuple[str, ...], words: str
) -> None:
    done = run(folder, f"{TOYS}:bert", *options)
    (line,) = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (2, "")
    assert words in line


def audited(folder: Path, *options: str) -> Any:
    done = run(folder, *options, "--report", "json=-")
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "adapter_audit.auditor.cli", *options, "--no-cache"],
        env=environment_with(folder, **NO_INDEX),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
