"""A model class of one's own with its own `AdapterModelInterface` audits like any other, and in hand."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).with_name("plugin_model.py")
HEALTHY = [
    ("healthy", "stack(a,b)", "lora"),
    ("healthy", "stack(a,b)", "seq_bn"),
    ("healthy", "fuse(a,b)", "seq_bn"),
    ("healthy", "batchsplit(a,b;2,1)", "lora"),
    ("healthy", "stack(a)", "loreft"),
    ("lanes", "parallel:2", "lora[attn_matrices=['q','k','v'],intermediate_lora=True,output_lora=True]"),
    ("lanes", "parallel:2", "lora[attn_matrices=['v']]"),
    ("lanes", "parallel:3", "double_seq_bn"),
    ("lanes", "stack(a,parallel(b,c))", "seq_bn"),
]


@pytest.fixture
def audited(run: Callable[..., Any], tmp_path: Path) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Audits `own.plugin_model:NAME`, a module in a package of the user's."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "__init__.py").touch()
    shutil.copy(SOURCE, tmp_path / "own")

    def call(name: str, compose: str, adapter: str) -> tuple[int, dict[str, Any]]:
        model = f"own.plugin_model:{name}"
        done = run(model, "--compose", compose, "--adapter", adapter, "--report", "json")
        return done.code, done.result()

    return call


@pytest.mark.parametrize(("name", "compose", "adapter"), HEALTHY)
def test_healthy_compositions(audited: Callable[..., Any], name: str, compose: str, adapter: str) -> None:
    code, result = audited(name, compose, adapter)
    assert (code, result["verdict"]) == (0, "compatible")
    assert {finding["severity"] for finding in result["findings"]} <= {"note"}
    assert result["coverage"]["known"] == 1.0
    assert {row["layer"] for row in result["activity"]} >= {0, 1}


def test_a_broken_attention_is_found(audited: Callable[..., Any]) -> None:
    code, result = audited("stale_lanes", "parallel:2", "lora")
    assert (code, result["verdict"]) == (1, "crash")
    finding = result["findings"][0]
    assert (finding["rule"], finding["confidence"]) == ("AA103", "confirmed")
    primary = finding["primary"]
    assert (primary["file"], primary["module"]) == ("own/plugin_model.py", "blocks.0.look")
    assert primary["code"].startswith("return states.view(batch, -1,")


def test_what_is_broken_in_lanes_alone_is_fine_in_a_stack(audited: Callable[..., Any]) -> None:
    assert audited("stale_lanes", "stack(a,b)", "lora")[1]["verdict"] == "compatible"


def test_a_type_that_is_not_declared_for_parallel_is_refused(audited: Callable[..., Any]) -> None:
    code, result = audited("healthy", "parallel:2", "lora")
    assert (code, result["verdict"]) == (1, "refused")
    assert "my-own-encoder" in result["findings"][0]["message"]


def test_in_hand() -> None:
    import plugin_model
    from adapters.composition import Parallel

    from adapter_audit.auditor import audit_model

    found = {}
    for make in (plugin_model.lanes, plugin_model.stale_lanes):
        model = make()
        for adapter in ("a", "b"):
            model.add_adapter(adapter, config="lora")
        model.set_active_adapters(Parallel("a", "b"))
        found[make.__name__] = audit_model(model).verdict.value
    assert found == {"lanes": "compatible", "stale_lanes": "crash"}
