"""The configuration: found, read, explained where it is wrong, and published as a schema."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter_audit.auditor.errors import UsageError
from adapter_audit.auditor.project.settings import PUBLISHED, Config, read_config, schema_text
from adapter_audit.auditor.project.settings_file import ConfigFile, declared_specs, find_config, load_config
from adapter_audit.auditor.schema.result import Verdict
from adapter_audit.auditor.schema.spec import AuditSpec

AUDIT = {"name": "five", "model": "t5-base", "compose": "parallel:5"}
SETUP = '{"type": "Stack", "children": [{"type": "single", "children": ["a"]}]}'
WHOLE = """
[project]
name = "x"

[tool.adapter-audit]
fail-on = "warning"
ignore = [{ rule = "AA203", reason = "adapters are not trained yet" }]

[[tool.adapter-audit.audits]]
name = "five"
model = "t5-base"
adapter = "lora"
compose = "parallel:5"
seq-len = 9
skip-layers = [0, 3]
expect = "crash"

[[tool.adapter-audit.audits]]
name = "saved"
model = "models/small"
compose = "setup.json"
[tool.adapter-audit.audits.adapters]
a = "saved/a"
"""


def test_schema_is_published_as_it_is() -> None:
    assert PUBLISHED.read_text() == schema_text(), (
        "python -m adapter_audit.auditor.project.settings > config.schema.json"
    )


def test_schema_is_valid_and_agrees_with_the_reader() -> None:
    schema = json.loads(schema_text())
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    for data, good in (
        ({"audits": [{**AUDIT, "seq-len": 3}]}, True),
        ({"audits": [{**AUDIT, "seq_len": 3}]}, False),
        ({"ignore": [{"rule": "AA101"}]}, False),
        ({"fail-on": "sometimes"}, False),
        ({"fail-on": "error,unknown=5"}, True),
    ):
        assert validator.is_valid(data) is good
        assert _accepted(data) is good


def _accepted(data: Any) -> bool:
    try:
        read_config(data, "x.toml")
    except UsageError:
        return False
    return True


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"audit": []}, "unknown key 'audit'; did you mean 'audits'?"),
        ({"cache_dir": "x"}, "unknown key 'cache_dir'; did you mean 'cache-dir'?"),
        ({"audits": [{**AUDIT, "seq_len": 3}]}, "'audits[0].seq_len'; did you mean 'seq-len'?"),
        ({"audits": [AUDIT, {"name": "x"}]}, "'audits[1].model' is missing"),
        ({"audits": [{**AUDIT, "id": "x"}]}, "unknown key 'audits[0].id'"),
        ({"audits": [AUDIT, AUDIT]}, "two audits named 'five'"),
        ({"audits": [{**AUDIT, "mode": "sing"}]}, "audits[0].mode: Input should be 'forward'"),
        ({"audits": [{**AUDIT, "expect": "ok"}]}, "'compatible'"),
        ({"audits": {}}, "audits: should be a list"),
        ({"ignore": ["AA101"]}, "ignore[0]: should be a table"),
        ({"ignore": [{"rule": "AA101"}]}, "'ignore[0].reason' is missing"),
        ({"ignore": [{"rule": "AA101", "reason": " "}]}, "say why"),
        ({"ignore": [{"rule": "AA101", "reson": "x"}]}, "did you mean 'reason'?"),
        ([], "is not a table"),
    ],
)
def test_what_is_wrong_is_named(data: Any, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_config(data, "x.toml")
    assert words in caught.value.line
    assert caught.value.line.startswith("x.toml")
    assert "\n" not in caught.value.line


def test_every_field_of_a_spec_can_be_declared() -> None:
    known = {name.replace("_", "-") for name in AuditSpec.model_fields} - {"id"}
    described = json.loads(schema_text())["definitions"]["DeclaredAudit"]["properties"]
    assert known | {"name", "expect", "ignore"} == set(described)


def test_declared_audits_know_their_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").write_text(WHOLE)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "setup.json").write_text(SETUP)
    first, second = declared_specs(load_config())
    assert (first.name, first.line, first.audit.expect) == ("five", 13, Verdict.CRASH)
    assert first.spec == AuditSpec(
        id="five", model="t5-base", compose="parallel:5", adapter="lora", seq_len=9, skip_layers=(0, 3)
    )
    assert second.line == 21
    assert load_config().config.fail_on == "warning"


def test_paths_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").write_text(
        WHOLE + "[tool.adapter-audit.other]\n".replace("[tool", "#[tool")
    )
    for folder in ("models/small", "saved/a", "below/deeper"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "setup.json").write_text(SETUP)
    monkeypatch.chdir(tmp_path / "below" / "deeper")
    spec = declared_specs(load_config())[1].spec
    up = os.path.join("..", "..")
    assert spec.model == os.path.join(up, "models", "small")
    assert spec.compose == os.path.join(up, "setup.json")
    assert spec.adapters == {"a": os.path.join(up, "saved", "a")}


def test_a_composition_that_cannot_be_read_is_shown_at_its_line(tmp_path: Path) -> None:
    file = tmp_path / "adapter-audit.toml"
    file.write_text('[[audits]]\nname = "x"\nmodel = "t5-base"\ncompose = "paralel(a,b)"\n')
    with pytest.raises(UsageError, match=r"adapter-audit\.toml:4: audit 'x'.*did you mean 'parallel'"):
        declared_specs(load_config(file))


def test_audits_as_an_inline_list_have_a_line_too(tmp_path: Path) -> None:
    file = tmp_path / "adapter-audit.toml"
    file.write_text('\naudits = [{ name = "x", model = "t5-base", compose = "parallel:2" }]\n')
    assert [d.line for d in declared_specs(load_config(file))] == [2]


def test_the_nearest_file_with_our_table_counts(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text("[tool.adapter-audit]\n")
    (tmp_path / "a" / "pyproject.toml").write_text("[tool.ruff]\n[tool.broken\n")
    assert find_config(below) == tmp_path / "pyproject.toml"
    (tmp_path / "a" / "pyproject.toml").write_text("[tool.adapter-audit]\n")
    assert find_config(below) == tmp_path / "a" / "pyproject.toml"
    (tmp_path / "a" / "adapter-audit.toml").write_text("")
    assert find_config(below) == tmp_path / "a" / "adapter-audit.toml"


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    file = load_config(start=tmp_path)
    assert file == ConfigFile(Config())
    assert declared_specs(file) == []


KEYS = st.sampled_from(["audits", "select", "ignore", "fail-on", "name", "model", "compose", "rule", "x"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=4), inner, max_size=4)
    ),
)


def check(error: UsageError) -> None:
    """It can be shown as one line."""
    assert "\n" not in error.line


@given(VALUES)
def test_any_data_is_a_configuration_or_one_line(data: Any) -> None:
    try:
        assert isinstance(read_config(data, "x.toml"), Config)
    except UsageError as error:
        check(error)


@given(text=st.text(max_size=200) | st.binary(max_size=50).map(lambda b: b.decode("latin-1")))
def test_any_text_is_a_configuration_or_one_line(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    _read_text(text, tmp_path_factory)


DAMAGE = st.tuples(st.integers(0, len(WHOLE)), st.integers(0, 20), st.text("[]{}=\"'#,\n.aé\x00", max_size=6))


@given(damage=DAMAGE)
def test_a_damaged_configuration_is_one_line(
    damage: tuple[int, int, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    at, cut, put = damage
    _read_text(WHOLE[:at] + put + WHOLE[at + cut :], tmp_path_factory)


def _read_text(text: str, factory: pytest.TempPathFactory) -> None:
    # Not in the base folder: configuration is looked for upwards, and other tests work below that one.
    folder = factory.getbasetemp() / "any-config"
    folder.mkdir(exist_ok=True)
    file = folder / "pyproject.toml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        assert isinstance(declared_specs(load_config(file)), list)
    except UsageError as error:
        check(error)
