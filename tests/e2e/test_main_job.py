"""The main job on real architectures at full size, with adapters 1.3.0 as in the constraints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

T5 = "adapters/models/t5/modeling_t5.py"
LEAVE_OUT = ("t5-base", "--compose", "parallel:5", "--adapter", "lora[leave_out=[0]]")


def audited(run: Callable[..., Any], *arguments: str) -> tuple[int, dict[str, Any]]:
    done = run(*arguments, "--report", "json")
    return done.code, done.result()


def roles(finding: dict[str, Any]) -> dict[str, tuple[str | None, int | None]]:
    return {r["role"]: (r["file"], r["line"]) for r in reversed(finding["related"])}


def test_t5_runs_five_adapters(run: Callable[..., Any]) -> None:
    code, result = audited(run, "t5-base", "--compose", "parallel:5")
    assert (code, result["verdict"], result["findings"]) == (0, "compatible", [])
    assert result["coverage"]["ops"] > 5000
    assert result["coverage"]["known"] > 0.99


def test_the_crash_is_told_from_cause_to_symptom(run: Callable[..., Any]) -> None:
    code, result = audited(run, *LEAVE_OUT)
    assert (code, result["verdict"]) == (1, "crash")
    finding = result["findings"][0]
    primary = finding["primary"]
    assert (finding["rule"], finding["confidence"]) == ("AA101", "confirmed")
    assert (primary["file"], primary["line"], primary["code"]) == (T5, 172, "scores += position_bias_masked")
    assert primary["module"].startswith("encoder.block.1.")
    assert roles(finding)["operand-origin"] == (T5, 163)
    assert finding["shapes"]["expanded"].startswith("[15, 12, 7, 7]")
    assert finding["shapes"]["unexpanded"] == "[3, 12, 7, 7] = [B, 12, S, S]"
    assert result["coverage"]["ops"] > 5000, "the trace goes on to the head"


def test_with_one_row_it_is_a_warning(run: Callable[..., Any]) -> None:
    code, result = audited(run, *LEAVE_OUT, "--batch", "1")
    assert code == 0
    assert result["verdict"] == "compatible"
    assert {(f["rule"], f["severity"]) for f in result["findings"]} == {("AA102", "warning")}
    assert audited(run, *LEAVE_OUT, "--batch", "1", "--fail-on", "warning")[0] == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("facebook/mbart-large-cc25",),
        ("google/vit-base-patch16-224",),
        ("bert-base-uncased", "--attn", "eager"),
    ],
    ids=lambda a: a[0],
)
def test_the_cause_is_found_in_other_models(run: Callable[..., Any], arguments: tuple[str, ...]) -> None:
    code, result = audited(run, *arguments, "--adapter", "lora", "--compose", "parallel:2")
    assert (code, result["verdict"]) == (1, "crash")
    finding = result["findings"][0]
    assert finding["primary"]["file"].startswith("adapters/models/")
    assert finding["primary"]["code"]
    assert finding["confidence"] == "confirmed"


def test_size_costs_nothing(run: Callable[..., Any]) -> None:
    """Llama 3.1 at 70 billion parameters: no weights are made."""
    code, result = audited(run, "meta-llama/Llama-3.1-70B", "--compose", "parallel:2", "--static-only")
    assert code in (0, 1)
    assert result["seconds"]["build"] < 30
    assert result["coverage"]["ops"] > 10_000
