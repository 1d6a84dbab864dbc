"""Adapter configurations of peft as text: what is read, and one line for what is none."""

from __future__ import annotations

import json

import pytest
from peft_releases import FOLDERS, command, python

from adapter_audit.auditor.library.peft.configuration_text import read


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("lora", {}),
        ("lora[]", {}),
        ("lora[r=8,use_dora=True]", {"r": 8, "use_dora": True}),
        ("lora[target_modules=[q_proj,v_proj], r=4]", {"target_modules": ["q_proj", "v_proj"], "r": 4}),
        ("lora[target_modules=all-linear]", {"target_modules": "all-linear"}),
        ("lora[rank_pattern={'q': 6},task_type=None]", {"rank_pattern": {"q": 6}, "task_type": None}),
        (r"lora[target_modules='.*\.(q|v),?']", {"target_modules": r".*\.(q|v),?"}),
        ("lora[modules_to_save=[]]", {"modules_to_save": []}),
    ],
)
def test_texts(text: str, arguments: dict[str, object]) -> None:
    assert read(text) == ("lora", arguments)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the tuner's name is missing"),
        ("lora[r=8", "the bracket is not closed"),
        ("lora[8]", "'8' is not written as name=value"),
        ("lora[r=8,r=4]", "r is given twice"),
        ("lora[r=__import__('os')]", "is no plain value"),
        ("lora[target_modules=[q]", "not closed"),
        ("lora[r='8]", "a bracket or a quote is not closed"),
    ],
)
def test_what_is_no_configuration(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=r"^") as caught:
        read(text)
    assert words in str(caught.value)


WRONG = {
    "lroa": "has no tuner 'lroa'; did you mean",
    "lora[rr=8]": "lora has no argument 'rr'",
    "lora[use_dor=True]": "did you mean use_dora",
    "lora[r=8": "the bracket is not closed; write for example",
    "lora|ia3": "has no tuner 'lora|ia3'",
    "some/where": "and there is no such directory",
}
ASKS = """
import json, sys
from adapter_audit.auditor.errors import LibraryRefusal
from adapter_audit.auditor.library.peft import LIBRARY
from adapter_audit.auditor.library.peft.tuner_fields import tuners
def line(config):
    try:
        LIBRARY.check_config(config)
    except LibraryRefusal as error:
        return error.line
found = {config: line(config) for config in json.loads(%r)}
found["imported"] = [name for name in ("torch", "peft") if name in sys.modules]
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING as table
found["missing"] = sorted({str(getattr(k, "value", k)).lower() for k in table} - set(tuners()))
print(json.dumps(found))
"""


@pytest.mark.parametrize("release", FOLDERS)
def test_wrong_ones_are_one_line_without_an_import(release: str) -> None:
    right = ["lora", "lora[r=8,target_modules=[q]]", "prefix_tuning[num_virtual_tokens=3]", "adalora[r=4]"]
    found = json.loads(python(release, ASKS % json.dumps([*WRONG, *right])).splitlines()[-1])
    assert found["imported"] == []
    assert found["missing"] == []
    for config, words in WRONG.items():
        assert words in found[config], config
        assert "\n" not in found[config]
    assert [found[config] for config in right] == [None] * len(right)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--compose", "mixed(a,b", "--library", "peft"), "the block is not closed"),
        (("--compose", "parallel(a,b)", "--library", "peft"), "parallel is no block of peft"),
        (("--compose", "mixed(a,b)"), "use --library peft"),
        (("--compose", "a", "--library", "pfet"), "unknown adapter library 'pfet'"),
        (("--compose", "a", "--library", "peft", "--adapter", "lroa"), "did you mean"),
        (("--compose", "a", "--library", "peft", "--adapter", "lora[q=1]"), "has no argument 'q'"),
        (("--compose", "a", "--library", "peft", "--adapter", "b=lora"), "not in the composition"),
        (("--compose", "a", "--library", "peft", "--then", "mrege"), "did you mean 'merge'?"),
        (("--compose", "a", "--library", "peft", "--then", "set"), "needs an adapter"),
        (("--compose", "a", "--then", "merge"), "use --library peft"),
        (("--compose", "a", "--library", "peft", "--skip-layers", "0"), "peft has no layers to skip"),
        (("--compose", "mixed(a,b;1,1)", "--library", "peft", "--batch", "3"), "do not fit the batch of 3"),
        (("--compose", "mixed(__base__)", "--library", "peft"), "names no adapter"),
        (("--compose", "weighted(a,b;1)", "--library", "peft"), "2 children but 1 weights"),
    ],
)
def test_bad_input_is_one_line(arguments: tuple[str, ...], line: str) -> None:
    done = command(max(FOLDERS), "bert-base-uncased", "--offline", *arguments)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert line in done.stderr
    said = [text for text in done.stderr.splitlines() if text.startswith("adapter-audit:")]
    assert len(said) == 1
