"""The blocks of peft: rows of a mixed batch, weights, options, and whose block is whose."""

from __future__ import annotations

import pytest

from adapter_audit.auditor.errors import UsageError
from adapter_audit.auditor.request.job import requested_job
from adapter_audit.auditor.schema.composition import BASE, Block, adapter_names
from adapter_audit.auditor.schema.composition_parser import ComposeError, parse
from adapter_audit.auditor.schema.references import references
from adapter_audit.auditor.schema.spec import AuditSpec


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("mixed(fr,de,__base__)", Block("mixed", ("fr", "de", BASE))),
        ("mixed(fr,de;2,1)", Block("mixed", ("fr", "de"), (2.0, 1.0))),
        ("active(fr,de)", Block("active", ("fr", "de"))),
        (
            "weighted(fr,de;0.7,-0.3;combination_type=linear,density=0.5,svd_full_matrices=true)",
            Block(
                "weighted",
                ("fr", "de"),
                (0.7, -0.3),
                (("combination_type", "linear"), ("density", 0.5), ("svd_full_matrices", True)),
            ),
        ),
    ],
)
def test_texts(text: str, tree: Block) -> None:
    assert parse(text) == tree
    assert parse(str(tree)) == tree


def test_a_lone_name_is_the_combination_type() -> None:
    assert parse("weighted(a,b;1,0;svd)") == parse("weighted(a,b;1,0;combination_type=svd)")


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ("active(a,__base__)", 9, "__base__ is no adapter; it stands for rows without one, in mixed"),
        ('active("__base__")', 7, "__base__ is no adapter"),
        ("mixed(a,b;1)", 9, "2 children but 1 counts"),
        ("mixed(a,b;1,-1)", 12, "counts are whole numbers of at least 0"),
        ("mixed(a,b;1,1;linear)", 14, "expected a number"),
        ("weighted(a,b;density=x)", 21, "density is a number"),
        ("weighted(a,b;densty=1)", 13, "weighted has no option 'densty'"),
        ("active(a;1)", 9, "active takes no numbers"),
    ],
)
def test_errors_point_at_the_character(text: str, position: int, words: str) -> None:
    with pytest.raises(ComposeError) as caught:
        parse(text)
    assert words in caught.value.line
    assert caught.value.position == position


def test_rows_of_a_mixed_batch() -> None:
    tree = parse("mixed(fr,weighted(fr,de;1,0),__base__;2,1,1)")
    assert adapter_names(tree) == ("fr", "de")
    assert [(r.rows, str(r.tree)) for r in references(tree, 4)] == [
        ((0, 1), "fr"),
        ((2,), "weighted(fr,de;1,0)"),
        ((3,), BASE),
    ]
    assert adapter_names(BASE) == ()


def job(**fields: object) -> object:
    return requested_job(AuditSpec.read({"model": "m", **fields}), sizes_must_fit=True)


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"compose": "mixed(a,b)"}, "mixed is no block of adapters: it is one of peft; use --library peft"),
        (
            {"compose": "parallel(a,b)", "library": "peft"},
            "parallel is no block of peft: it is one of adapters; use --library adapters",
        ),
        ({"compose": "stack(a,b)", "library": "peft"}, "stack is no block of peft"),
        ({"compose": "mixed(__base__)", "library": "peft"}, "mixed(__base__) names no adapter"),
        ({"compose": "mixed(a,b;1,1)", "library": "peft", "batch": 3}, "batch sizes 1+1=2 do not fit"),
        ({"compose": "a", "library": "peft", "skip_layers": [0]}, "peft has no layers to skip"),
        ({"compose": "mixed(a,b;0,0)", "library": "peft"}, "leaves no rows"),
        ({"compose": "a", "library": "peff"}, "unknown adapter library 'peff'; known: adapters, peft"),
        ({"compose": "a", "library": "peft", "adapters": {"b": "lora"}}, "not in the composition"),
    ],
)
def test_what_cannot_be_meant_is_one_line(fields: dict[str, object], line: str) -> None:
    with pytest.raises(UsageError) as caught:
        job(**fields)
    assert line in caught.value.line


def test_rows_are_shared_out_and_a_lone_adapter_is_an_active_one() -> None:
    assert str(job(compose="mixed(a,b)", library="peft").tree) == "mixed(a,b;2,1)"  # type: ignore[attr-defined]
    assert job(compose="mixed(a,b;2,3)", library="peft").rows == 5  # type: ignore[attr-defined]
    assert str(job(compose="a", library="peft").tree) == "active(a)"  # type: ignore[attr-defined]
