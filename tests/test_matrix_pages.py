"""The published matrix: the pages follow from the results, and every claim is held to its audits."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from adapter_audit.auditor.schema.result import AuditResult, Finding, Location, Verdict

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tools.matrix_pages import DOCUMENTED, Matrix, claims, pages  # noqa: E402
from tools.matrix_sample import difference, sample  # noqa: E402


def result(model: str, method: str, compose: str, verdict: str, mode: str = "forward") -> AuditResult:
    finding = Finding(
        rule="AA201",
        name="n",
        invariant="lanes",
        severity="error",
        confidence="confirmed",
        message="it is so",
        primary=Location(module="m"),
        verdict=Verdict(verdict),
    )
    return AuditResult(
        id=f"{model} {compose} {method}",
        verdict=Verdict(verdict),
        summary=f"{compose} on 3 rows: a|b is {verdict}.",
        spec={"model": model, "compose": compose, "adapter": method, "mode": mode},
        environment={"adapters": "1.3.0", "transformers": "4", "torch": "2"},
        findings=() if verdict == "compatible" else (finding,),
    )


RESULTS = [
    result("t5-small", "lora", "a", "compatible"),
    result("t5-small", "lora", "a", "wrong", "train"),
    result("t5-small", "prompt_tuning", "a", "compatible"),
    result("t5-small", "seq_bn", "fuse(a,b)", "unknown"),
    result("google/vit-base-patch16-224", "seq_bn", "parallel(a,b)", "crash"),
    result("google/vit-base-patch16-224", "lora", "a", "compatible"),
]


def test_a_claim_is_held_to_the_worst_of_its_audits() -> None:
    found = {
        (c.model_type, c.column): (c.supported, c.verdict.value, c.is_contradicted)
        for c in claims(Matrix(RESULTS), json.loads(DOCUMENTED.read_text("utf-8")))
    }
    assert found == {
        ("t5", "lora"): (True, "wrong", True),
        ("t5", "prompt tuning"): (False, "compatible", True),
        ("t5", "fusion"): (True, "unknown", False),
        ("vit", "parallel"): (True, "crash", True),
        ("vit", "lora"): (True, "compatible", False),
    }


def test_the_documented_table_names_what_is_audited() -> None:
    documented = json.loads(DOCUMENTED.read_text("utf-8"))
    assert len(documented["models"]) == 29
    for supported in documented["models"].values():
        assert set(supported) <= documented["columns"].keys()


def test_pages_of_a_few_results() -> None:
    made = pages(RESULTS)
    assert made.keys() == {
        "index.md",
        "t5.md",
        "vit.md",
        "heatmap.html",
        "matrix.json",
        "matrix.csv",
        "badge.svg",
    }
    assert (
        "6 audits with transformers 4 and torch 2: 3 compatible, 1 wrong, 1 crash, 1 unknown"
        in made["index.md"]
    )
    assert "| [t5](t5.md) | wrong (2/3) | ? (0/1) |  |" in made["index.md"]
    assert "5 claims were audited, 3 are contradicted" in made["index.md"]
    assert "- [t5](t5.md): prompt tuning is not documented, it works." in made["index.md"]
    assert "- [vit](vit.md): parallel is documented, the audits say `crash`." in made["index.md"]
    assert "- **wrong** a\\|b is wrong. (`a` lora train)" in made["t5.md"]
    assert "3 of 6" in made["badge.svg"]
    rows = list(csv.DictReader(io.StringIO(made["matrix.csv"])))
    audits = json.loads(made["matrix.json"])["audits"]
    assert (
        [row["verdict"] for row in rows] == [one["verdict"] for one in audits] == [r.verdict for r in RESULTS]
    )


def test_the_sample_changes_with_the_commit() -> None:
    audits: list[dict[str, Any]] = [{"n": n} for n in range(100)]
    assert sample(audits, 8, "a") == sample(audits, 8, "a")
    assert sample(audits, 8, "a") != sample(audits, 8, "b")
    assert len(sample(audits[:3], 8, "a")) == 3


@pytest.mark.parametrize(("verdict", "differs"), [("compatible", False), ("wrong", True)])
def test_what_is_published_is_audited_again(tmp_path: Path, verdict: str, differs: bool) -> None:
    config = {"model_type": "bert", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    (tmp_path / "config.json").write_text(json.dumps(config | {"intermediate_size": 64, "vocab_size": 99}))
    published = {"model": str(tmp_path), "compose": "parallel(a,b)", "method": "lora", "mode": "forward"}
    found = difference({**published, "verdict": verdict, "fingerprints": []})
    assert bool(found) is differs
    assert not differs or found.endswith("published wrong, now compatible")
