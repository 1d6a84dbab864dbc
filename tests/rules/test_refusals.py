"""A refusal says which blocks and methods do work on the same model."""

from __future__ import annotations

import pytest

from adapter_audit.auditor import audit
from adapter_audit.auditor.schema.result import Fix

BERT, CLIP = "adapter_audit.auditor.toys:bert", "openai/clip-vit-base-patch32"
CASES = {
    "block that the method lacks": (
        {"model": BERT, "compose": "fuse(a,b)", "adapter": "lora"},
        (
            "the same adapters in another block: this model and these methods take average,",
            "fuse with another",
        ),
    ),
    "type that is not declared": (
        {"model": CLIP, "compose": "parallel(a,b)"},
        ("one after the other", "take average, batchsplit, multitask, stack"),
    ),
    "nesting": (
        {"model": BERT, "compose": "parallel(a,fuse(b,c))", "adapter": "seq_bn"},
        ("average, batchsplit, stack inside parallel, which takes no fuse", "fuse inside multitask, stack"),
    ),
    "method that the model lacks": (
        {"model": "Qwen/Qwen2-0.5B-Instruct", "compose": "stack(a,b)", "adapter": "prefix_tuning"},
        ("another method than prefix_tuning: this model takes compacter",),
    ),
}


def remedies(spec: dict[str, str]) -> tuple[Fix, ...]:
    result = audit(spec, static_only=True, offline=True)
    assert result.verdict.value == "refused"
    return result.findings[0].fixes


@pytest.mark.parametrize("case", CASES)
def test_what_would_work_is_said(case: str) -> None:
    spec, expected = CASES[case]
    fixes = remedies(spec)
    for words in expected:
        assert any(words in fix.title for fix in fixes), [fix.title for fix in fixes]
    assert {(fix.kind, fix.status) for fix in fixes} == {("setup-change", "unverified")}


@pytest.mark.parametrize("block", ["average(a,b)", "batchsplit(a,b;2,1)", "parallel(a,b)", "stack(a,b)"])
def test_the_blocks_that_are_named_are_not_refused(block: str) -> None:
    named = next(fix.title for fix in remedies(CASES["block that the method lacks"][0]))
    assert block.partition("(")[0] in named
    verdict = audit({"model": BERT, "compose": block, "adapter": "lora"}, static_only=True).verdict
    assert verdict.value != "refused"


@pytest.mark.parametrize("method", ["seq_bn", "par_bn", "double_seq_bn"])
def test_the_methods_that_are_named_are_not_refused(method: str) -> None:
    assert any(method in fix.title for fix in remedies(CASES["block that the method lacks"][0]))
    verdict = audit({"model": BERT, "compose": "fuse(a,b)", "adapter": method}, static_only=True).verdict
    assert verdict.value == "compatible"
