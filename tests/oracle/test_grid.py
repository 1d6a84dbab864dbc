"""The grid is deterministic, follows the contract, and meets what it promises to meet."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from . import shapes
from .expr import parse
from .grid import grid, head_cases, open_cases
from .methods import MAIN, available
from .models import MODELS

FIELDS = {
    "id", "model", "compose", "adapters", "batch", "seq_len", "mask", "mode", "attn", "inputs", "skip_layers",
    "gradient_checkpointing", "head", "heads",
}  # fmt: skip


def kind_of(config: str) -> str:
    """Name the methods of a configuration string, without their options."""
    return "|".join(part.split("[")[0] for part in config.split("|"))


def test_the_same_seed_gives_the_same_cases(tmp_path: Path) -> None:
    assert grid(3, 200, "1.3.0", tmp_path) == grid(3, 200, "1.3.0", tmp_path)
    assert grid(3, 200, "1.3.0", tmp_path) != grid(4, 200, "1.3.0", tmp_path)


def test_specs_follow_the_contract(tmp_path: Path) -> None:
    specs = grid(1, 1000, "1.3.0", tmp_path)
    assert len({s["id"] for s in specs}) == 1000
    for spec in specs:
        assert set(spec) <= FIELDS
        assert set(parse(spec["compose"]).adapters()) == set(spec["adapters"])
        assert (Path(spec["model"]) / "config.json").exists()


def test_a_full_grid_meets_every_model_method_and_main_block(tmp_path: Path) -> None:
    met = set()
    for spec in grid(1, 5000, "1.3.0", tmp_path):
        block = parse(spec["compose"]).kind
        for config in spec["adapters"].values():
            met.add((Path(spec["model"]).name, kind_of(config), block))
    names = {kind_of(m.config) for m in MAIN.values()}
    wanted = {(model, name, block) for model in MODELS for name in names for block in shapes.MAIN}
    assert wanted <= met


def test_open_cases_meet_every_model_and_nest(tmp_path: Path) -> None:
    specs = open_cases(1, "1.3.0", tmp_path)
    assert len({s["id"] for s in specs}) == len(specs)
    met = {(Path(s["model"]).name, s["id"].removeprefix("1.3.0-open-").rsplit("-", 2)[0]) for s in specs}
    assert {model for model, _ in met} == set(MODELS)
    for spec in specs:
        assert set(spec) <= FIELDS
        assert set(parse(spec["compose"]).adapters()) == set(spec["adapters"])


def test_head_cases_meet_every_model_with_named_heads(tmp_path: Path) -> None:
    specs = head_cases(1, "1.3.0", tmp_path)
    assert len({s["id"] for s in specs}) == len(specs)
    assert {Path(s["model"]).name for s in specs} >= {"bert", "t5", "bart", "llama", "vit", "whisper"}
    for spec in specs:
        assert set(spec) <= FIELDS
        assert set(spec["heads"]) == set(parse(spec["compose"]).adapters())
    assert {s["mode"] for s in specs} == {"forward", "train"}


@pytest.mark.parametrize("release", ["0.2.2", "1.0.0", "1.1.1"])
def test_old_releases_get_nothing_they_do_not_know(release: str, tmp_path: Path) -> None:
    specs = grid(1, 600, release, tmp_path)
    text = " ".join([s["compose"] + " ".join(s["adapters"].values()) for s in specs])
    assert not re.search(r"\b(multitask|vera|dora|dvora|mtl_lora)\b", text)
    assert not {Path(s["model"]).name for s in specs} & {n for n, m in MODELS.items() if m.since > release}
    assert ("reft" in text) == (release >= "1.0.0")
    assert set(available(release)) < set(available("1.3.0"))
