"""Known patches of peft: each is tried and verified from the command line, as those of `adapters` are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from peft_releases import FOLDERS, command

from adapter_audit.auditor.knowledge.known_patches import known_patches
from adapter_audit.auditor.schema.result import AuditResult

NEWEST = max(FOLDERS, default="")
PATCHES = {patch.name: patch for patch in known_patches() if patch.package == "peft"}
SMALL = {
    "model_type": "bert",
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "vocab_size": 99,
    "architectures": ["BertModel"],
}
HEAD = ("--head", "SequenceClassification")
VERIFIED = {
    "names-for-heads-too": (*HEAD, "--compose", "mixed(a,b)", "--adapter", "road[group_size=8]"),
    "hooks-go-with-the-call": ("--compose", "a", "--adapter", "b=lora", "--then", "error(mixed(a,b))"),
    "each-adapter-the-input": (
        *("--compose", "active(a,b)", "--then", "merge"),
        *("--adapter", "c3a[block_size=8,target_modules=[query,value]]"),
    ),
    "scaling-of-a-combination": (
        *("--compose", "weighted(a,b;1,0;linear)", "--adapter", "lora[use_rslora=True]"),
    ),
    "head-of-the-merged-adapter": (*HEAD, "--compose", "a", "--then", "unload"),
}


def test_every_known_patch_of_peft_has_a_case() -> None:
    assert set(VERIFIED) == set(PATCHES)


@pytest.mark.parametrize("name", VERIFIED)
def test_a_known_patch_of_peft_is_verified(name: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(SMALL))
    report = tmp_path / "result.json"
    options = ("--library", "peft", "--fix", "--report", f"json={report}", "--no-cache", "--offline")
    done = command(NEWEST, str(tmp_path), *VERIFIED[name], *options)
    result = AuditResult.model_validate_json(report.read_text())
    fixes = [f for found in result.findings for f in found.fixes if f.kind == "library-patch"]
    assert fixes, done.stderr
    assert fixes[0].status == "verified", fixes[0].reason
    assert fixes[0].reference == PATCHES[name].reference
