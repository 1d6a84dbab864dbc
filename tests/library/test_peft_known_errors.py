"""Known errors of peft, found at their lines from the command line; each beside a neighbour that is sound."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from peft_releases import FOLDERS, audited

from adapter_audit.auditor.schema.result import AuditResult

NEWEST = max(FOLDERS, default="")
BERT, GPT2 = "bert-base-uncased", "gpt2"
HEAD = {"head": "SequenceClassification"}
SOME = "task_type=None,modules_to_save=[classifier]"
TWO = {"a": f"lora[{SOME}]", "b": "lora[task_type=None]"}


class Known(NamedTuple):
    """An error: the rule, the file of its cause and what stands there; `sound` is the neighbour."""

    wrong: dict[str, object]
    sound: dict[str, object]
    rule: str
    file: str
    code: str
    verdict: str = "wrong"


def peft(compose: str, adapter: str = "lora", model: str = BERT, **more: object) -> dict[str, object]:
    return {"model": model, "library": "peft", "compose": compose, "adapter": adapter, **more}


KNOWN = {
    "names are dropped": Known(
        peft("mixed(a,b)", "ia3"),
        peft("mixed(a,b)", "lora"),
        "AA220",
        "peft/peft_model.py",
        "special_peft_forward_args",
    ),
    "heads are not per row": Known(
        peft("mixed(a,b)", "road[group_size=8]", **HEAD),
        peft("mixed(a,b)", "lora", **HEAD),
        "AA201",
        "peft/utils/other.py",
        "self.modules_to_save",
    ),
    "the head of another adapter is merged": Known(
        peft("a", adapters={"b": "lora"}, history=["merge_and_unload(b)"], **HEAD),
        peft("a", adapters={"b": "lora"}, history=["merge_and_unload(b)"]),
        "AA222",
        "peft/utils/other.py",
        "def unload_and_optionally_merge_module",
    ),
    "the trained head stays": Known(
        peft("a", history=["unload"], **HEAD),
        peft("a", history=["unload"]),
        "AA222",
        "peft/utils/other.py",
        "def unload_and_optionally_merge_module",
    ),
    "all weight on one rslora": Known(
        peft("weighted(a,b;1,0;linear)", "lora[use_rslora=True]"),
        peft("weighted(a,b;1,0;linear)"),
        "AA205",
        "peft/tuners/lora/model.py",
        "def add_weighted_adapter",
    ),
    "all weight on one DoRA": Known(
        peft("weighted(a,b;1,0;cat)", "lora[use_dora=True]"),
        peft("weighted(a,b;1,0;cat)"),
        "AA205",
        "peft/tuners/lora/model.py",
        "def add_weighted_adapter",
    ),
    "two OFT merged": Known(
        peft("active(a,b)", "oft[r=0,oft_block_size=8]", history=["merge"]),
        peft("active(a)", "oft[r=0,oft_block_size=8]", history=["merge"]),
        "AA222",
        "peft/tuners/oft/layer.py",
        "def merge",
    ),
    "two C3A merged": Known(
        peft("active(a,b)", "c3a[block_size=64,target_modules=[query,value]]", history=["merge"]),
        peft("active(a,b)", "lora[target_modules=[query,value]]", history=["merge"]),
        "AA222",
        "peft/tuners/c3a/layer.py",
        "def merge",
    ),
    "hooks stay after an error": Known(
        peft("a", adapters={"b": "lora"}, history=["error(mixed(a,b))"]),
        peft("a", adapters={"b": "lora"}, history=["error"]),
        "AA222",
        "peft/tuners/lora/model.py",
        "contextmanager",
    ),
    "a prompt before every step": Known(
        peft("a", "prompt_tuning[num_virtual_tokens=3]", GPT2, mode="generate"),
        peft("a", "lora", GPT2, mode="generate"),
        "AA208",
        "peft/peft_model.py",
        "def prepare_inputs_for_generation",
    ),
    "only some have a head": Known(
        peft("mixed(a,b)", adapters=TWO, **HEAD),
        peft("mixed(a,b)", f"lora[{SOME}]", **HEAD),
        "AA105",
        "peft/utils/other.py",
        "self.modules_to_save[active_adapter]",
        "crash",
    ),
}


@pytest.fixture(scope="module")
def results() -> dict[str, tuple[AuditResult, AuditResult]]:
    """What is found in each and in its neighbour, by one process."""
    found = audited(NEWEST, [spec for known in KNOWN.values() for spec in (known.wrong, known.sound)])
    return dict(zip(KNOWN, zip(found[::2], found[1::2], strict=True), strict=True))


@pytest.mark.parametrize("name", KNOWN)
def test_it_is_found_at_its_line(name: str, results: dict[str, tuple[AuditResult, AuditResult]]) -> None:
    known, (result, _) = KNOWN[name], results[name]
    assert result.verdict == known.verdict, (result.summary, result.error)
    finding = next(f for f in result.findings if f.rule == known.rule)
    assert finding.primary.file == known.file
    assert known.code in finding.primary.code


@pytest.mark.parametrize("name", KNOWN)
def test_its_neighbour_is_sound(name: str, results: dict[str, tuple[AuditResult, AuditResult]]) -> None:
    _, neighbour = results[name]
    assert neighbour.verdict == "compatible", (neighbour.summary, neighbour.error)
