"""What makes an audit another one: every fact of the key on its own, without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import adapter_audit.auditor.cache.content_key as module
from adapter_audit.auditor.cache.content_key import cache_key, hash_file, hash_source
from adapter_audit.auditor.library.find_library import library_named
from adapter_audit.auditor.request.job import Job
from adapter_audit.auditor.request.model_source import ModelSource
from adapter_audit.auditor.schema.spec import AuditSpec

SPEC = AuditSpec(model="m", compose="parallel:2")
SOURCE = ModelSource("m", "directory", config={"model_type": "bert", "hidden_size": 32})
OPTIONS = {"static_only": False, "graph": False, "select": frozenset({"AA101"}), "ignore": frozenset()}


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Facts of the environment are asked for once a process; here they change."""
    cached = (module.own_digest, module._plugin_digests, module._release)
    for function in cached:
        function.cache_clear()
    yield
    for function in cached:
        function.cache_clear()


def key(spec: AuditSpec = SPEC, source: ModelSource = SOURCE, **options: object) -> str | None:
    return cache_key(Job.of(spec, source), OPTIONS | options)


def test_the_same_facts_are_the_same_key() -> None:
    assert key() == key()
    assert key(SPEC.model_copy(update={"id": "another name"})) == key()


def test_a_model_made_by_a_function_has_no_key() -> None:
    assert key(source=ModelSource("m:f", "function", factory=dict)) is None


@pytest.mark.parametrize(
    "change",
    [
        {"compose": "parallel:3"},
        {"adapter": "seq_bn"},
        {"adapters": {"a": "lora"}},
        {"batch": 5},
        {"seq_len": 5},
        {"mask": "right"},
        {"mode": "train"},
        {"attn": "eager"},
        {"inputs": ("labels",)},
        {"skip_layers": (0,)},
        {"gradient_checkpointing": True},
        {"head": "SequenceClassification"},
        {"heads": {"a": "classification"}},
        {"active_head": ("a",)},
        {"dtype": "bfloat16"},
        {"model": "n"},
        {"library": "adapters"},
        {"history": ("merge",)},
    ],
)
def test_every_field_of_a_spec_counts(change: dict[str, object]) -> None:
    assert key(SPEC.model_copy(update=change)) != key()


def test_the_list_above_is_complete() -> None:
    marks = test_every_field_of_a_spec_counts.pytestmark  # type: ignore[attr-defined]
    tried = {name for change in marks[0].args[1] for name in change}
    assert tried == set(AuditSpec.model_fields) - {"id"}


def test_a_field_of_the_model_configuration_counts() -> None:
    assert (
        key(source=ModelSource("m", "directory", config={"model_type": "bert", "hidden_size": 64})) != key()
    )


@pytest.mark.parametrize(
    "change",
    [{"static_only": True}, {"graph": True}, {"select": frozenset()}, {"ignore": frozenset({"AA203"})}],
)
def test_options_count(change: dict[str, object]) -> None:
    assert key(**change) != key()


@pytest.mark.parametrize("name", ["adapters", "transformers", "torch", "adapter-audit"])
def test_another_release_counts(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = key()
    (tmp_path / f"{name.replace('-', '_')}-99.0.dist-info").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    module._release.cache_clear()
    assert key() != before


def test_releases_are_those_of_importlib() -> None:
    from importlib.metadata import version

    for name in (*library_named(None).releases, module.OWN):
        assert module._release(name) == version(name)


def test_a_variable_of_the_libraries_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    before = key()
    monkeypatch.setenv("TRANSFORMERS_SOMETHING", "1")
    assert key() != before


@pytest.mark.parametrize(
    "changed", ["auditor/probe/bench.py", "auditor/knowledge/published_bugs.json", "rules/aa101_x.py"]
)
def test_the_engine_and_the_rules_count(
    changed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("auditor/probe/bench.py", "auditor/knowledge/published_bugs.json", "rules/aa101_x.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("before")
    monkeypatch.setattr(module, "ENGINE", tmp_path / "auditor")
    monkeypatch.setattr(module, "RULES", tmp_path / "rules")
    before = key()
    (tmp_path / changed).write_text("after")
    module.own_digest.cache_clear()
    assert key() != before


def test_a_new_rule_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rules").mkdir()
    monkeypatch.setattr(module, "ENGINE", tmp_path / "auditor")
    monkeypatch.setattr(module, "RULES", tmp_path / "rules")
    before = key()
    (tmp_path / "rules" / "aa999_new.py").write_text("")
    module.own_digest.cache_clear()
    assert key() != before


def test_a_plugged_in_rule_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = key()
    info = tmp_path / "plugged-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[adapter_audit.rules]\nx = plugged_rules_of_a_test\n")
    rule = tmp_path / "plugged_rules_of_a_test.py"
    rule.write_text("VALUE = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    module._plugin_digests.cache_clear()
    added = key()
    rule.write_text("VALUE = 22\n")
    module._plugin_digests.cache_clear()
    assert len({before, added, key()}) == 3
    assert "plugged_rules_of_a_test" not in sys.modules


@pytest.mark.parametrize("field", ["compose", "adapter", "adapters"])
def test_files_that_the_spec_names_count(field: str, tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    folder.mkdir()
    file = folder / ("adapter_setup.json" if field == "compose" else "adapter_config.json")
    value = {"a": str(folder)} if field == "adapters" else str(folder)
    spec = SPEC.model_copy(update={field: value})
    keys = []
    for adapter in ("one", "two"):
        single = {"type": "single", "children": [adapter]}
        file.write_text(json.dumps({"type": "Stack", "children": [single]}))
        keys.append(key(spec))
    assert len(set(keys)) == 2


def test_a_digest_follows_the_content(tmp_path: Path) -> None:
    file = tmp_path / "x.py"
    assert hash_file(str(file)) is None
    file.write_text("one")
    first = hash_file(str(file))
    file.write_text("two")
    assert hash_file(str(file)) not in (first, None)
    file.write_text("one")
    assert hash_file(str(file)) == first
    assert hash_file("\x00") is None


def test_a_used_file_is_looked_for_where_imports_look() -> None:
    assert hash_source("adapters/composition.py") is not None
    assert hash_source("adapters/no_such_file.py") is None


def test_a_key_needs_no_heavy_import() -> None:
    code = (
        "import sys; from adapter_audit.auditor.jobs.cached_audit import lookup, Store\n"
        "from adapter_audit.auditor.request.job import resolved_job\n"
        "from adapter_audit.auditor.schema.spec import AuditSpec; from pathlib import Path\n"
        "spec = AuditSpec(model='t5-base', compose='parallel:2')\n"
        "assert lookup(resolved_job(spec), Store(Path('no/such/cache'))) is None\n"
        "print([n for n in ('torch', 'transformers', 'adapters', 'networkx', 'libcst') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "[]\n"
