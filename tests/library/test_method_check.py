"""Adapter configurations are judged from the library's source, without importing it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from adapter_audit.auditor.errors import LibraryRefusal
from adapter_audit.auditor.library.adapters.method_check import check_config, known_methods
from adapter_audit.auditor.library.adapters.method_fields import UNREADABLE, read_methods

RIGHT = (
    "lora",
    " seq_bn ",
    "lora[]",
    "lora[r=8,]",
    "lora['r': 8]",
    "lora[leave_out=[0,2],use_gating=True]",
    "seq_bn[reduction_factor={'0': 4, 'default': 16}]",
    "prefix_tuning[flat=True]|par_bn",
    "mam[leave_out=[0]]",
    "unipelt[use_gating=False]",
    "lora|lora[leave_out=[0]]",
    "seq_bn|seq_bn[mh_adapter=True,output_adapter=False]",
)
WRONG = {
    "lorra": "did you mean lora",
    "lora|prefx_tuning[flat=True]": "did you mean prefix_tuning",
    "lora [r=8]": "did you mean lora",
    "some/where": "there is no such directory",
    "lora[rr=3]": "LoRAConfig has no argument 'rr'; did you mean r?",
    "lora[rank=3]": "arguments of lora: alpha, architecture",
    "ia3[reduction_factor=2]": "IA3Config has no argument 'reduction_factor'",
    "prefix_tuning[flat=True]|par_bn[flat=True]": "ParBnConfig has no argument 'flat'",
    "mam[prefix_length=3]": "arguments of mam (those of all its parts):",
    "lora[r=abc]": "write for example lora[r=8]",
    "lora[8]": "are not names with plain values",
    "lora[**{}]": "are not names with plain values",
    "lora[r=[1,2]": "are not names with plain values",
    "lora[r=8": "is not closed",
    "lora[r=8]x": "is not closed",
    "[r=8]": "a method's name is missing",
    "lora|": "a method's name is missing",
    "lora|lora": "are of one kind",
    "lora|ia3": "lora and ia3 are of one kind",
    "seq_bn|double_seq_bn": "are of one kind",
    "mam|lora": "mam is a union of methods already",
}


def of_the_library(config: str) -> bool:
    """Whether the library itself takes a configuration."""
    from adapters import AdapterConfig

    try:
        AdapterConfig.load(config)
    except Exception:
        return False
    return True


def answered(config: str) -> bool:
    try:
        check_config(config)
    except LibraryRefusal:
        return False
    return True


def test_methods_and_fields_are_those_of_the_library() -> None:
    from dataclasses import fields

    from adapters.configuration import ADAPTER_CONFIG_MAP

    assert known_methods() == frozenset(ADAPTER_CONFIG_MAP)
    for name, config in ADAPTER_CONFIG_MAP.items():
        parts = getattr(config, "configs", [config])
        for own, part in zip(read_methods()[name].parts, parts, strict=True):
            assert own.config == type(part).__name__
            assert set(own.values) == {field.name for field in fields(part)}
            plain = {k: v for k, v in own.values.items() if v != UNREADABLE}
            if len(parts) == 1:
                assert plain == {k: getattr(part, k) for k in plain}


@pytest.mark.parametrize("config", RIGHT)
def test_what_the_library_takes_passes(config: str) -> None:
    assert of_the_library(config)
    check_config(config)


@pytest.mark.parametrize("config", WRONG)
def test_what_the_library_refuses_is_answered_in_one_line(config: str) -> None:
    assert not of_the_library(config)
    with pytest.raises(LibraryRefusal) as refused:
        check_config(config)
    assert WRONG[config] in refused.value.line


def test_unions_of_any_two_methods_are_answered_as_by_the_library() -> None:
    names = sorted(known_methods())
    pairs = [f"{one}|{other}" for one in names for other in names]
    assert [p for p in pairs if answered(p) != of_the_library(p)] == []
    assert 100 < sum(map(answered, pairs)) < len(pairs) - 100


def test_saved_adapters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LibraryRefusal, match=r"the directory has no adapter_config\.json"):
        check_config(str(tmp_path))
    saved = tmp_path / "adapter_config.json"
    saved.write_text('{"config": {"architecture": "lora"}}')
    check_config(str(tmp_path))
    check_config(str(saved))
    saved.write_text("{")
    with pytest.raises(LibraryRefusal, match="cannot be read as JSON"):
        check_config(str(tmp_path))
    saved.write_text("[]")
    with pytest.raises(LibraryRefusal, match="holds no JSON object"):
        check_config(str(tmp_path))
    (tmp_path / "lora").mkdir()
    check_config("lora")


def test_nothing_heavy_is_imported() -> None:
    program = (
        "import sys\nfrom adapter_audit.auditor.library.adapters.method_check import known_methods\n"
        "assert known_methods()\nassert not {'torch', 'adapters', 'transformers'} & set(sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
