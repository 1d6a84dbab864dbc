"""Wrong input: one clear line, the right exit code, at once, and without the heavy libraries."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_run import Cli

LONG = ("bert-base-uncased", "--compose", "parallel:2")
T5 = ("t5-base", "--compose", "parallel:2")
BROKEN = {
    "half.json": b"[",
    "half.toml": b"[tool.adapter-audit]\nx=\n",
    "other.json": b'{"a": 1}',
    "lines.jsonl": b'{"a": 1}\n{"b"\n',
    "binary.json": b"\xff\xfe\x00",
    "newer.json": b'{"schema_version": 99}',
    "deep.json": b"[" * 100_000,
    "file": b"",
    "typo.toml": b'audit = []\n[[audits]]\nname = "x"\n',
    "fold/config.json": b"{}",
    "small/config.json": b'{"model_type": "bart", "max_position_embeddings": 9}',
    "no_table/pyproject.toml": b"[project]\n",
}
CASES = {
    "no model": (("--compose", "parallel:2"), "MODEL is missing"),
    "no composition": (("t5-base",), "--compose is missing"),
    "nothing declared": ((), "no configuration declares an audit"),
    "unknown model": (("t5-bas", "--compose", "parallel:2", "--offline"), "did you mean t5-base"),
    "unclosed": (("t5-base", "--compose", "parallel(a"), "at character 11"),
    "misspelt block": (("t5-base", "--compose", "paralel(a,b)"), "did you mean 'parallel'"),
    "adapter not there": ((*T5, "--adapter", "c=lora"), "parallel:2 has a, b"),
    "batch sizes": (("t5-base", "--compose", "batchsplit(a,b;1,1)", "--batch", "5"), "use --batch 2"),
    "no integer": ((*T5, "--batch", "many"), "--batch"),
    "zero rows": ((*T5, "--batch", "0"), "0 is not in the range"),
    "mode": ((*T5, "--mode", "sing"), "'forward'"),
    "input": ((*T5, "--with", "pictures"), "position_ids"),
    "layers": ((*T5, "--skip-layers", "x"), "write for example 0,3"),
    "option": ((*T5, "--bogus"), "No such option"),
    "rule": ((*T5, "--select", "expanded-meets-shred"), "did you mean expanded-meets-shared"),
    "report": ((*T5, "--report", "pdf"), "unknown report 'pdf'"),
    "two on stdout": ((*T5, "--report", "json", "--report", "terminal"), "only one report"),
    "no such folder": ((*T5, "--report", "json=missing/x.json"), "its directory does not exist"),
    "no baseline": ((*T5, "--baseline", "missing.json"), "--write-baseline makes one"),
    "baseline is none": ((*T5, "--baseline", "other.json"), "is not a baseline"),
    "baseline over a file": ((*T5, "--write-baseline", "other.json"), "is not a baseline"),
    "no config": ((*T5, "--config", "missing.toml"), "cannot read the configuration"),
    "broken config": ((*T5, "--config", "half.toml"), "is not valid TOML"),
    "config without table": ((*T5, "--config", "no_table/pyproject.toml"), "no table [tool.adapter-audit]"),
    "unknown key": ((*T5, "--config", "typo.toml"), "did you mean 'audits'"),
    "cache is a file": ((*T5, "--cache-dir", "file"), "is a file"),
    "set-up": (("t5-base", "--compose", "half.json"), "is not valid JSON"),
    "folder without model": ((".", "--compose", "parallel:2"), "has no config.json"),
    "no model type": (("fold", "--compose", "parallel:2"), "has no model_type"),
    "method": ((*T5, "--adapter", "lorra"), "did you mean lora"),
    "argument": ((*T5, "--adapter", "lora[rr=3]"), "LoRAConfig has no argument 'rr'; did you mean r?"),
    "argument of one": ((*T5, "--adapter", "a=lora[leave_out=0 1]"), "write for example lora[r=8]"),
    "argument in a union": ((*T5, "--adapter", "prefix_tuning|par_bn[flat=True]"), "no argument 'flat'"),
    "argument of a union": ((*T5, "--adapter", "mam[prefix_length=3]"), "ParBnConfig has no argument"),
    "union of the same": ((*T5, "--adapter", "lora|ia3"), "are of one kind"),
    "nested unions": ((*T5, "--adapter", "mam|lora"), "is a union of methods already"),
    "empty adapter": ((*T5, "--adapter", ""), "--adapter is empty"),
    "no saved adapter": ((*T5, "--adapter", "./fold"), "the directory has no adapter_config.json"),
    "broken adapter": ((*T5, "--adapter", "half.json"), "cannot be read as JSON"),
    "long for BERT": ((*LONG, "--seq-len", "513"), "max_position_embeddings is 512; use --seq-len 512"),
    "long for RoBERTa": (("roberta-base", *LONG[1:], "--seq-len", "513"), "use --seq-len 512"),
    "long for GPT-2": (("gpt2", *LONG[1:], "--seq-len", "1025"), "n_positions is 1024"),
    "long for a directory": (("small", *LONG[1:], "--seq-len", "10"), "use --seq-len 9 or less"),
    "explain nothing": (("explain",), "Missing argument"),
    "explain unknown": (("explain", "expanded-meets"), "did you mean expanded-meets-shared"),
    "render nothing": (("render",), "Missing argument"),
    "render missing": (("render", "missing.json"), "cannot read missing.json"),
    "render half": (("render", "half.json"), "line 1 is not valid JSON"),
    "render other": (("render", "other.json"), "is not a result of adapter-audit"),
    "render lines": (("render", "lines.jsonl"), "lines.jsonl, line 1"),
    "render binary": (("render", "binary.json"), "is not UTF-8 text"),
    "render newer": (("render", "newer.json"), "upgrade adapter-audit"),
    "render deep": (("render", "deep.json"), "not valid JSON"),
    "render empty": (("render", "file"), "holds no results"),
    "render a folder": (("render", "fold"), "cannot read fold"),
    "matrix unclosed": (("matrix", "--models", "t5-base", "--methods", "lora[r=8"), "is not closed"),
    "matrix empty": (("matrix", "--models", ","), "names nothing"),
    "matrix unknown": (("matrix", "--models", "t5-base,t5-bas", "--offline"), "unknown model 't5-bas'"),
    "batch missing": (("batch", "missing.jsonl"), "cannot read missing.jsonl"),
    "config broken": (("config", "--config", "half.toml"), "is not valid TOML"),
    "lint nothing": (("lint",), "Missing argument"),
}


@pytest.mark.parametrize("case", CASES)
def test_wrong_input(case: str, cli: Cli, tmp_path: Path) -> None:
    for name, content in BROKEN.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    arguments, expected = CASES[case]
    done = cli(*arguments)
    assert done.code == 2
    assert done.out == ""
    assert len(done.lines) == 1
    assert expected in done.lines[0]
    assert "Traceback" not in done.err
    assert done.loaded == ()


def test_a_caret_points_at_the_character(cli: Cli) -> None:
    done = cli("t5-base", "--compose", "stack(a,)")
    assert done.err.splitlines()[1:] == ["  stack(a,)", "          ^"]


@pytest.mark.parametrize(
    "command", ["", "audit", "batch", "matrix", "lint", "explain", "rules", "render", "config"]
)
def test_help_is_there_and_light(command: str, cli: Cli) -> None:
    done = cli(*filter(None, (command, "--help")))
    assert done.code == 0
    assert "Usage:" in done.out
    assert done.loaded == ()


def test_version(cli: Cli) -> None:
    done = cli("--version")
    assert done.code == 0
    assert done.out.startswith("adapter-audit, version ")
