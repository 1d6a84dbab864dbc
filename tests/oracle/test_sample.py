"""Auditor and oracle agree on a fixed, stratified sample of the grid; `benchmarks/accuracy.py` has more."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import adapters
import pytest

from .models import MODELS
from .sample import strata, stratified

SIZE, SEED = 72, 1
LEAST = {"stop": 20, "silent": 10, "healthy": 10}
"""So many cases of each kind the oracle must have found, or the sample shows little."""
Case = dict[str, Any]


@pytest.fixture(scope="module")
def judged(accuracy: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Case, Case, Case]]:
    """Every case with what the oracle and the auditor say."""
    folder = tmp_path_factory.mktemp("sample")
    release = adapters.__version__
    specs = stratified(SEED, SIZE, release, folder / "models")
    options = accuracy.arguments(["--release", release, "--jobs", "2"])
    verdicts, _ = accuracy.run_oracle(specs, options, None)
    audits, _ = accuracy.run_auditor(specs, options, folder)
    return list(zip(specs, verdicts, audits, strict=True))


def test_the_sample_shows_something(accuracy: ModuleType, judged: list[tuple[Case, Case, Case]]) -> None:
    truth = [accuracy.group(oracle["verdict"]) for _, oracle, _ in judged]
    assert {kind: truth.count(kind) for kind in LEAST if truth.count(kind) < LEAST[kind]} == {}
    assert truth.count("undecided") <= 5
    met = {stratum for spec, _, _ in judged for stratum in strata(spec)}
    assert {name for kind, name in met if kind == "model"} == set(MODELS)
    for kind, count in (("block", 8), ("method", 20), ("rows", 5), ("mask", 4), ("input", 5)):
        assert len({name.split()[0] for k, name in met if k.split()[0] == kind}) >= count, kind


def test_they_agree(accuracy: ModuleType, judged: list[tuple[Case, Case, Case]]) -> None:
    differing = {
        spec["id"]: (spec["compose"], spec["adapters"], oracle["verdict"], audit["verdict"])
        for spec, oracle, audit in judged
        if accuracy.group(oracle["verdict"]) not in ("undecided", accuracy.group(audit["verdict"]))
    }
    assert differing == {}


def test_the_line_of_a_crash_is_named(accuracy: ModuleType, judged: list[tuple[Case, Case, Case]]) -> None:
    crashed = [(s, o, a) for s, o, a in judged if o["verdict"] == "crash" and o["crash_file"]]
    assert len(crashed) >= 8
    assert [
        (spec["id"], oracle["crash_file"], oracle["crash_line"])
        for spec, oracle, audit in crashed
        if (oracle["crash_file"], oracle["crash_line"]) not in accuracy.places(audit)
    ] == []
