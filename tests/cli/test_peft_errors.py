"""Wrong input with `--library peft`: one clear line, at once, and without the heavy libraries."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_run import Cli, import_first
from peft_releases import FOLDERS, MISSING

BERT = ("bert-base-uncased", "--library", "peft")
MIXED = (*BERT, "--compose", "mixed(a,b)")
FILES = {
    "empty/README.md": b"",
    "half/adapter_config.json": b"[",
    "other/adapter_config.json": b'{"peft_type": "LORRA"}',
    "untyped/adapter_config.json": b'{"r": 8}',
}
CASES = {
    "library": (("bert-base-uncased", "--library", "pft", "--compose", "a"), "known: adapters, peft"),
    "block of another library": ((*BERT, "--compose", "parallel(a,b)"), "use --library adapters"),
    "block of peft": (("bert-base-uncased", "--compose", "mixed(a,b)"), "use --library peft"),
    "misspelt block": ((*BERT, "--compose", "mixd(a,b)"), "did you mean 'mixed'"),
    "unclosed": ((*BERT, "--compose", "mixed(a,b"), "at character 10"),
    "no adapter": ((*BERT, "--compose", "mixed(__base__)"), "names no adapter"),
    "rows": ((*BERT, "--compose", "mixed(a,b;1,1)", "--batch", "5"), "use --batch 2"),
    "one weight": ((*BERT, "--compose", "weighted(a,b;1)"), "weighted"),
    "option": ((*BERT, "--compose", "weighted(a,b;1,0;densty=0.5)"), "density"),
    "tuner": ((*MIXED, "--adapter", "lorra"), "did you mean lora"),
    "argument": ((*MIXED, "--adapter", "lora[rr=3]"), "lora has no argument 'rr'; did you mean r?"),
    "argument of one": ((*MIXED, "--adapter", "a=lora[r]"), "'r' is not written as name=value"),
    "bracket": ((*MIXED, "--adapter", "lora[r=8"), "the bracket is not closed"),
    "adapter not there": ((*MIXED, "--adapter", "c=lora"), "mixed(a,b) has a, b"),
    "no saved adapter": ((*MIXED, "--adapter", "./empty"), "has no adapter_config.json"),
    "broken saved adapter": ((*MIXED, "--adapter", "./half"), "cannot be read as JSON"),
    "saved by a later release": ((*MIXED, "--adapter", "./other"), "has no tuner 'lorra'"),
    "saved without a type": ((*MIXED, "--adapter", "./untyped"), "has no peft_type"),
    "step": ((*MIXED, "--then", "merg"), "did you mean 'merge'"),
    "step without a name": ((*MIXED, "--then", "set"), "needs an adapter"),
    "layers": ((*MIXED, "--skip-layers", "0"), "has no layers to skip"),
    "long": ((*MIXED, "--seq-len", "513"), "use --seq-len 512"),
}


@pytest.mark.parametrize("case", CASES)
def test_wrong_input_for_peft(case: str, cli: Cli, tmp_path: Path) -> None:
    assert FOLDERS, MISSING
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    arguments, expected = CASES[case]
    done = cli(*arguments, env=import_first(FOLDERS[max(FOLDERS)]))
    assert (done.code, done.out) == (2, "")
    assert len(done.lines) == 1, done.err
    assert expected in done.lines[0]
    assert "Traceback" not in done.err
    assert done.loaded == ()


def test_peft_is_not_installed(cli: Cli) -> None:
    done = cli(*MIXED)
    assert (done.code, done.out) == (3, "")
    assert len(done.lines) == 1, done.err
    assert "adapter-audit[peft]" in done.lines[0]
    assert done.loaded == ()
