"""All that `adapters.composition` can say is said by the language and by the library, and back again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapter_audit.auditor import audit, toys
from adapter_audit.auditor.errors import UsageError
from adapter_audit.auditor.library.adapters import LIBRARY
from adapter_audit.auditor.request.job import requested_job
from adapter_audit.auditor.schema.composition_parser import parse
from adapter_audit.auditor.schema.spec import AuditSpec

WRITTEN = [
    "fuse(a,b;name=x)",
    'fuse(a,b;name="my fusion")',
    "stack(a,fuse(b,c;name=q))",
    "average(a,b;2,-0.5;normalize_weights=false)",
    "average(a,b;0.25,0.75)",
    "batchsplit(a,b;2,1)",
    "split(a,stack(b,c);3,4)",
    "multitask(a,b)",
]


def prepared(*names: str, method: str = "seq_bn") -> Any:
    model = toys.bert()
    LIBRARY.prepare(model)
    LIBRARY.add(model, dict.fromkeys(names, method), "")
    return model


@pytest.mark.parametrize("text", WRITTEN)
def test_text_tree_block_and_back(text: str) -> None:
    tree = parse(text)
    assert str(tree) == text
    assert LIBRARY.tree(LIBRARY.block(tree)) == tree


@pytest.mark.parametrize("text", WRITTEN)
def test_the_python_to_paste_makes_the_same_block(text: str) -> None:
    import adapters.composition as ac

    tree = parse(text)
    assert LIBRARY.tree(eval(LIBRARY.python(tree), {"ac": ac})) == tree


def test_weights_that_are_not_normalised_arrive_as_they_are() -> None:
    block = LIBRARY.block(parse("average(a,b;2,-0.5;normalize_weights=false)"))
    assert block.weights == [2.0, -0.5]


def test_a_fusion_is_added_under_its_name_and_with_its_configuration() -> None:
    model = prepared("a", "b", "c")
    LIBRARY.add(model, {}, parse("fuse(a,b;name=x)"))
    LIBRARY.add(model, {}, parse("fuse(a,c;config=static)"))
    assert set(model.adapters_config.fusions) == {"x", "a,c"}
    kinds = {name: type(model.adapters_config.get_fusion(name)[0]).__name__ for name in ("x", "a,c")}
    assert kinds == {"x": "DynamicAdapterFusionConfig", "a,c": "StaticAdapterFusionConfig"}


def test_stacks_in_a_fuse_are_fused_by_their_last_adapters() -> None:
    """As the library's documentation does it: `add_adapter_fusion(["b", "d"])`."""
    model = prepared("a", "b", "c", "d")
    LIBRARY.add(model, {}, parse("fuse(stack(a,b),stack(c,d))"))
    assert model.adapters_config.fusions["b,d"]
    assert model.adapters_config.get_fusion("b,d")[1] == ["b", "d"]


@pytest.mark.parametrize("text", ["fuse(a,b;name=x)", "fuse(a,b;config=static)", "fuse(a)"])
def test_such_a_fuse_is_audited(text: str) -> None:
    result = audit({"model": "adapter_audit.auditor.toys:bert", "compose": text, "adapter": "seq_bn"})
    assert (result.verdict, result.unknowns) == ("compatible", ())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("fuse(a,b;names=x)", "fuse has no option 'names'; known: name, config"),
        ("parallel(a,b;name=x)", "parallel has no option 'name'; only fuse, average, weighted take options"),
        ("average(a,b;normalize_weights=no)", "normalize_weights is true or false"),
        ("split(a,b;-1,8)", "splits are whole numbers of at least 0"),
        ("batchsplit(a,b;1.5,2)", "batch_sizes are whole numbers of at least 0"),
        ("average(a,b;1)", "2 children but 1 weights"),
    ],
)
def test_wrong_options_are_one_line(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert words in caught.value.line


@pytest.mark.parametrize(
    "text", ["stack(a,b)", "average(a,b;0.25,0.75)", "fuse(a,b)", "parallel(a,stack(b,c))"]
)
def test_set_ups_that_the_library_saved_are_read(text: str, tmp_path: Path) -> None:
    model = prepared("a", "b", "c")
    LIBRARY.add(model, {}, parse(text))
    model.save_adapter_setup(str(tmp_path), LIBRARY.block(parse(text)))
    spec = AuditSpec(model="m", compose=str(tmp_path), adapter="seq_bn")
    assert requested_job(spec).tree == parse(text)


def test_a_long_expression_is_no_path() -> None:
    text = f"parallel({','.join(f'adapter_number_{n}' for n in range(60))})"
    assert requested_job(AuditSpec(model="m", compose=text)).lanes == 60
