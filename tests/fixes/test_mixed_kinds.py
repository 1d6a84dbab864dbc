"""Adapters of several kinds in one composition: which files are about whom, and that all are repaired."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from adapter_audit.auditor.fixes.patch.adapters_of_file import adapters_read_by, kinds_of, method_files
from adapter_audit.auditor.library.find_library import library_named
from adapter_audit.auditor.schema.composition_parser import parse
from adapter_audit.auditor.source.parsed_module import Module, Sources

from .conftest import Fixed

LORA, BOTTLENECK, PREFIX, REFT, INVERTIBLE = (
    f"adapters/methods/{name}.py" for name in ("lora", "bottleneck", "prefix_tuning", "reft", "invertible")
)


def facts(compose: str = "parallel(a,b)", **methods: str) -> Any:
    return SimpleNamespace(
        tree=parse(compose),
        names=tuple(methods),
        methods=methods,
        library=library_named(None),
        static=SimpleNamespace(trace=SimpleNamespace(records=[])),
    )


def module(file: str) -> Module:
    found = Sources().module(file)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("file", "names"),
    [(LORA, {"a"}), (BOTTLENECK, {"b", "c"}), (INVERTIBLE, {"c"}), (PREFIX, {"b"}), (REFT, set())],
)
def test_a_file_is_about_the_adapters_it_looks_up(file: str, names: set[str]) -> None:
    known = facts(a="ia3", b="mam", c="seq_bn_inv")
    assert file in method_files()
    assert adapters_read_by(known, module(file)) == names


def test_where_configurations_are_not_known_a_file_is_about_all() -> None:
    known = facts(a="lora")
    known.names = ("a", "b")
    assert adapters_read_by(known, module(REFT)) == {"b"}
    assert kinds_of(known, "a") == {"LoRAConfig"}


def test_mixed_kinds_are_verified_at_once(fixed: Fixed) -> None:
    result = fixed(
        model="adapter_audit.auditor.toys:bert",
        compose="batchsplit(a,b;2,1)",
        adapters={"a": "seq_bn", "b": "lora"},
        attn="eager",
    )
    fixes = [f for found in result.findings for f in found.fixes if f.kind == "library-patch"]
    assert fixes
    assert fixes[0].status == "verified", fixes[0].reason
    for file in (LORA, BOTTLENECK):
        assert f"+++ b/{file}" in fixes[0].diff
